from typing import Any

import pytest

from xray_gate.core.errors import InputError
from xray_gate.detectors.b3d.detector import B3D
from xray_gate.detectors.b3d.parameters import B3DParameters


def test_the_defaults_are_the_papers_constants_and_a_cpus_mini_batch() -> None:
    found = B3DParameters()
    assert (found.samples, found.sigma, found.learning_rate) == (50, 0.1, 0.05)
    assert (found.batch, found.iterations, found.images) == (32, 300, "probes")


def test_parameters_survive_json() -> None:
    given = B3DParameters(iterations=7, images="synthetic")
    assert B3DParameters.from_json(given.to_json()) == given
    assert B3D.from_json({"iterations": 7}).parameters["iterations"] == 7


def test_the_optimiser_gets_them() -> None:
    settings = B3DParameters(iterations=7, batch=3, samples=4, sigma=0.2, learning_rate=1).settings
    assert (settings.iterations, settings.batch, settings.samples) == (7, 3, 4)
    assert (settings.sigma, settings.learning_rate) == (0.2, 1)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"iterations": 0}, "b3d: iterations is 0; set it to 1 to 10000"),
        ({"iterations": 1.5}, "b3d: iterations is 1.5; set it to"),
        ({"batch": True}, "b3d: batch is True; set it to"),
        ({"samples": 1}, "b3d: samples is 1; set it to 2 to 1000"),
        ({"sigma": 0}, "b3d: sigma is 0; set it to 0.001 to 10.0"),
        ({"sigma": float("nan")}, "b3d: sigma is nan; set it to"),
        ({"learning_rate": "fast"}, "b3d: learning_rate is 'fast'; set it to"),
        ({"images": "noise"}, "b3d: images is 'noise'; use one of probes, synthetic"),
        ({"colour": 1}, "b3d: no parameter 'colour'; use one of iterations, batch"),
    ],
)
def test_what_is_out_of_range_is_refused(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        B3DParameters.from_json(parameters)
