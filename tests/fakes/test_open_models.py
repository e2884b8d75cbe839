from pathlib import Path

import numpy as np
import pytest

from tests.fakes.open_models import FakeOpener
from tests.fakes.oracles import OneLabelOracle
from tests.fakes.soft_oracles import SoftOracle
from xray_gate.core.errors import ModelAnswerError, ModelProcessError
from xray_gate.probing.batches import Images
from xray_gate.probing.preprocessing import Preprocessing
from xray_gate.scan.ports import ModelLimits, ModelRequest

REQUEST = ModelRequest(Path("m"), Preprocessing(), "auto", 3, (1, 2, 2), "cpu", ModelLimits())
TWO = Images(np.zeros((2, 1, 2, 2), dtype=np.float32))


def test_an_open_model_answers_as_its_oracle_and_is_closed() -> None:
    opener = FakeOpener(lambda: OneLabelOracle(3, label=2))
    with opener(REQUEST) as model:
        assert model.classes == 3
        assert model.labels(TWO).tolist() == [2, 2]
        assert opener.closed == 0
    assert (opener.requests, opener.closed) == ([REQUEST], 1)


def test_an_open_model_is_as_soft_as_its_oracle() -> None:
    with FakeOpener(lambda: SoftOracle(np.eye(3)[:, :1].repeat(4, axis=1)))(REQUEST) as model:
        assert model.soft
        assert model.probabilities(TWO).shape == (2, 3)
    with FakeOpener(lambda: OneLabelOracle(3))(REQUEST) as model:
        assert not model.soft
        with pytest.raises(ModelAnswerError, match="gives labels, not probabilities"):
            model.probabilities(TWO)


def test_every_opening_has_an_oracle_of_its_own() -> None:
    made: list[OneLabelOracle] = []

    def new() -> OneLabelOracle:
        made.append(OneLabelOracle(3))
        return made[-1]

    opener = FakeOpener(new)
    for _ in range(2):
        with opener(REQUEST) as model:
            model.labels(TWO)
    assert [oracle.queries for oracle in made] == [2, 2]


def test_a_model_that_cannot_be_opened_raises_before_any_question() -> None:
    opener = FakeOpener(lambda: OneLabelOracle(3), error=ModelProcessError("it died"))
    with pytest.raises(ModelProcessError, match="it died"), opener(REQUEST):
        pytest.fail("was opened")
