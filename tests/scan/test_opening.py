from pathlib import Path

import numpy as np
import pytest

from tests.scan.making import probe_set, tiny_policy
from xray_gate.scan.opening import model_request, probed_request


@pytest.mark.parametrize(("count", "sampled"), [(40, 12), (8, 8)])
def test_half_precision_is_compared_on_probes_from_first_to_last(count: int, sampled: int) -> None:
    probes = probe_set(count)
    request = probed_request(Path("m.onnx"), tiny_policy(), probes, "auto")
    assert request.sample is not None
    assert request.sample.shape == (sampled, 1, 4, 4)
    np.testing.assert_array_equal(request.sample[[0, -1]], probes.images[[0, -1]])
    again = probed_request(Path("m.onnx"), tiny_policy(), probes, "auto")
    assert again.sample is not None
    np.testing.assert_array_equal(again.sample, request.sample)


def test_without_probes_there_is_nothing_to_compare_on() -> None:
    assert model_request(Path("m.onnx"), tiny_policy(), 4, (1, 4, 4), "auto").sample is None
