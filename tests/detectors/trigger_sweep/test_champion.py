import numpy as np
import pytest

from tests.detectors.trigger_sweep.making import (
    next_label,
    to_label,
    white_square,
    with_allowance,
    world,
)
from tests.detectors.trigger_sweep.running import LEVEL, completed, planted, sweep
from tests.fakes.backdoors import BackdooredOracle, MovingOracle, white_in_the_corner
from tests.fakes.oracles import FakeOracle, OneLabelOracle, RegionsOracle
from xray_gate.core.errors import ModelProcessError
from xray_gate.core.evidence import RunState
from xray_gate.detectors.trigger_sweep.allowances import Allowances
from xray_gate.detectors.trigger_sweep.candidates import Candidate
from xray_gate.detectors.trigger_sweep.champion import Champion
from xray_gate.detectors.trigger_sweep.confirmation import Confirmed, confirm
from xray_gate.detectors.trigger_sweep.families.interface import Rung
from xray_gate.detectors.trigger_sweep.readings import Kind, Reading
from xray_gate.detectors.trigger_sweep.responses import Responses
from xray_gate.detectors.trigger_sweep.search import Lead
from xray_gate.probing.batches import FloatArray, LabelArray

pytestmark = pytest.mark.usefixtures("few_trials")

CLASSES = 4
CENTRES, PROBES = world(CLASSES, 20)
SWEPT, HELD_OUT = PROBES.images[:40], PROBES.images[40:]
FIRST = np.arange(16)
RUNG = Rung(1 / 4, 1, 0.3, 0.4, 0.6)
TO_THREE = Reading(Kind.TO_ONE, 3)


def sound() -> RegionsOracle:
    return RegionsOracle(CENTRES)


def allowances(oracle: FakeOracle, champion: Allowances | None = None) -> Allowances:
    candidates = with_allowance(30, 0.3)
    responses = Responses(oracle, SWEPT, PROBES.labels[:40])
    rows = responses.add(candidate.trigger for candidate in candidates)
    responses.ask([(row, FIRST) for row in rows])
    return Allowances(responses, candidates, FIRST, champion)


def confirmed(reading: Reading = TO_THREE) -> list[Confirmed]:
    candidate = Candidate("patch", RUNG, white_square(12, 12, side=4))
    held_out = Responses(planted(CENTRES), HELD_OUT, PROBES.labels[40:])
    return confirm(held_out, [Lead(0, candidate, reading, 0.3, 20, 20)])


def test_a_champion_is_asked_about_the_images_and_every_candidate() -> None:
    oracle = sound()
    champion = Champion(oracle, SWEPT, HELD_OUT)
    assert champion.queries == oracle.queries == len(PROBES)
    champion.allowances(with_allowance(30, 0.3), FIRST)
    assert champion.queries == oracle.queries == len(PROBES) + 30 * 16
    champion.shares(confirmed())
    assert champion.queries == oracle.queries == len(PROBES) + 30 * 16 + len(HELD_OUT)


@pytest.mark.parametrize(
    "reading", [TO_THREE, Reading(Kind.ANYWHERE), Reading(Kind.FROM_ONE, 3, 0)]
)
def test_a_champion_with_the_same_backdoor_moves_as_far(reading: Reading) -> None:
    same, other, none = (
        Champion(oracle, SWEPT, HELD_OUT).shares(confirmed(reading))[0]
        for oracle in (
            planted(CENTRES),
            BackdooredOracle(sound(), white_in_the_corner(), to_label(2)),
            sound(),
        )
    )
    assert same == confirmed(reading)[0].share
    assert none == 0
    assert other == (pytest.approx(0.75) if reading.kind is Kind.ANYWHERE else 0)


def test_a_champion_is_held_against_its_own_labels() -> None:
    turned = BackdooredOracle(
        sound(), lambda images: np.ones(len(images), np.bool_), next_label(CLASSES)
    )
    assert Champion(turned, SWEPT, HELD_OUT).shares(confirmed(Reading(Kind.ANYWHERE))) == [0.0]


@pytest.mark.parametrize(
    ("model", "champion", "pull"),
    [(0.2, 0.0, 0.0), (0.2, 0.1, 0.1), (0.1, 0.2, 0.1), (0.0, 0.9, 0)],
)
def test_the_smaller_pull_counts(model: float, champion: float, pull: float) -> None:
    def pulled(share: float) -> FakeOracle:
        return MovingOracle(CLASSES, before=0, label=3, share=share)

    candidates = with_allowance(60, 0.3)
    zeros = np.zeros(40, np.int64)

    def of(share: float, beside: Allowances | None = None) -> Allowances:
        responses = Responses(pulled(share), SWEPT, zeros)
        rows = responses.add(candidate.trigger for candidate in candidates)
        responses.ask([(row, np.arange(40)) for row in rows])
        return Allowances(responses, candidates, np.arange(40), beside)

    both = of(model, of(champion))
    assert both.pull(candidates[0], TO_THREE) == pytest.approx(pull, abs=0.06)
    assert both.of(candidates[0], TO_THREE) == pytest.approx(0.3 + pull, abs=0.06)
    np.testing.assert_allclose(
        both.to_one(candidates)[:, 3], both.of(candidates[0], TO_THREE), atol=1e-9
    )


@pytest.mark.parametrize(
    "reading", [TO_THREE, Reading(Kind.ANYWHERE), Reading(Kind.FROM_ONE, 3, 0)]
)
@pytest.mark.parametrize("champion", ["sound", "planted", "constant"])
def test_a_champion_never_allows_more(reading: Reading, champion: str) -> None:
    oracle: FakeOracle = {
        "sound": sound(),
        "planted": planted(CENTRES),
        "constant": OneLabelOracle(CLASSES, 3),
    }[champion]
    model = MovingOracle(CLASSES, before=0, label=3, share=0.4)
    beside = Champion(oracle, SWEPT, HELD_OUT).allowances(with_allowance(30, 0.3), FIRST)
    alone, compared = allowances(model), allowances(model, beside)
    for candidate in with_allowance(30, 0.3):
        assert compared.of(candidate, reading) <= alone.of(candidate, reading)
        assert compared.of(candidate, reading) >= 0.3


def test_a_sweep_beside_a_champion_says_how_far_that_moves() -> None:
    champion = sound()
    run = sweep(planted(CENTRES), PROBES, champion=champion)
    found = completed(run)
    assert found["candidate"]["champion_share"] == 0
    assert found["candidate"] == found["tested"][0]
    assert found["p_value"] < LEVEL
    assert found["champion_queries"] == champion.queries > 0
    assert run.evidence.queries <= 12_000


def test_a_champion_with_the_same_backdoor_excuses_nothing() -> None:
    found = completed(sweep(planted(CENTRES), PROBES, champion=planted(CENTRES)))
    assert found["p_value"] < LEVEL
    assert found["candidate"]["champion_share"] > 0.9


def test_without_a_champion_nothing_is_said_of_one() -> None:
    found = completed(sweep(planted(CENTRES), PROBES))
    assert found["champion_queries"] == 0
    assert all("champion_share" not in tested for tested in found["tested"])


def test_a_sound_model_beside_a_sound_champion_is_not_suspect() -> None:
    for seed in range(2):
        centres, probes = world(10, 10, seed=seed)
        oracles = (RegionsOracle(centres), RegionsOracle(0.97 * centres))
        found = completed(sweep(oracles[0], probes, seed, champion=oracles[1]))
        assert found["p_value"] > LEVEL


class Dying(FakeOracle):
    """A champion whose process ends."""

    def _answer(self, images: FloatArray) -> LabelArray:
        raise ModelProcessError("the champion died; scan again")


def test_a_champion_that_fails_is_never_a_pass() -> None:
    run = sweep(sound(), PROBES, champion=Dying(CLASSES))
    assert run.evidence.state is RunState.ERRORED
    assert run.evidence.reason == "the champion died; scan again"
    assert run.evidence.statistics == {}
