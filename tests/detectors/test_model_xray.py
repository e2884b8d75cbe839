import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.brute_force import score_plane
from tests.fakes.oracles import FakeOracle, RegionsOracle
from xray_gate.core.errors import InputError
from xray_gate.core.evidence import RunState, SuspectedLabel
from xray_gate.detectors.interface import DetectorRun, Subject
from xray_gate.detectors.model_xray.detector import ModelXray
from xray_gate.detectors.model_xray.parameters import ModelXrayParameters, Sampling
from xray_gate.probing.batches import FloatArray, Images, LabelArray
from xray_gate.probing.oracle import HardLabelOracle
from xray_gate.probing.planes import plane_through
from xray_gate.probing.probe_set import ProbeSet

RNG = np.random.default_rng(11)
IMAGES = RNG.random((12, 1, 3, 3)).astype(np.float32)
FAR = RNG.normal(0.5, 1.5, (6, 1, 3, 3))
SAMPLINGS: tuple[Sampling, ...] = ("dense", "adaptive")
QUICK = ModelXrayParameters(eta=1.0, size=14, planes=4, sampling="dense")


def sound_oracle() -> RegionsOracle:
    """Each probe's class around it, and regions of six classes further off."""
    labels = np.concatenate([np.arange(12) % 4, np.arange(6)])
    return RegionsOracle(np.concatenate([IMAGES, FAR]), labels)


PROBES = ProbeSet(IMAGES, np.arange(12) % 4, source="probes.npz")


def scan(
    oracle: HardLabelOracle, parameters: ModelXrayParameters = QUICK, seed: int = 0
) -> DetectorRun:
    labels = oracle.labels(PROBES.as_batch())
    rng = np.random.default_rng(seed)
    return ModelXray(parameters).run(Subject(oracle, PROBES, labels), rng)


def test_the_defaults_are_the_published_parameters() -> None:
    assert ModelXray().parameters == {
        "eta": 5.0,
        "size": 100,
        "planes": 20,
        "alpha": 10.0,
        "cap": 0.5,
        "pixel_ranges": ["unclipped", "valid"],
        "directions": 32,
        "sampling": "adaptive",
        "least_planes": 3,
        "stop_error": 0.01,
    }
    assert ModelXray().budget(10) == 400_640
    assert ModelXrayParameters(pixel_ranges=("valid",)).queries == 200_640
    assert ModelXrayParameters(pixel_ranges=("unclipped",)).queries == 200_000


def test_too_few_classes_are_inconclusive() -> None:
    two = ProbeSet(IMAGES, np.arange(12) % 2)
    oracle = sound_oracle()
    labels = oracle.labels(two.as_batch())
    found = ModelXray(QUICK).run(Subject(oracle, two, labels), np.random.default_rng(0)).evidence
    assert found.state is RunState.INCONCLUSIVE
    assert "three classes" in str(found.reason)


def test_scores_of_every_plane_agree_with_the_brute_force() -> None:
    oracle = sound_oracle()
    found = scan(oracle)
    assert len(found.planes) == 8

    def predict(pixels: list[float]) -> int:
        return int(oracle.labels(Images(np.array(pixels, np.float32).reshape(1, 1, 3, 3)))[0])

    for plane in found.planes:
        entropy, ats = score_plane(
            predict,
            plane.samples.reshape(3, -1).tolist(),
            plane.true_labels,
            size=14,
            eta=1.0,
            clip=plane.pixel_range == "valid",
        )
        assert plane.renyi_entropy == pytest.approx(entropy, abs=1e-6)
        assert plane.ats == pytest.approx(ats, abs=1e-6)
    assert len({plane.ats for plane in found.planes}) > 3


def test_both_ranges_use_the_same_planes() -> None:
    planes = scan(sound_oracle()).planes
    assert [(p.index, p.pixel_range) for p in planes[:4]] == [
        (0, "unclipped"),
        (0, "valid"),
        (1, "unclipped"),
        (1, "valid"),
    ]
    for unclipped, valid in zip(planes[::2], planes[1::2], strict=True):
        np.testing.assert_array_equal(unclipped.samples, valid.samples)
        np.testing.assert_array_equal(unclipped.cells, valid.cells)
    assert any((u.labels != v.labels).any() for u, v in zip(planes[::2], planes[1::2], strict=True))


def test_one_range_alone_gives_what_it_gives_beside_the_other() -> None:
    both = scan(sound_oracle()).evidence.statistics
    alone = scan(sound_oracle(), replace(QUICK, pixel_ranges=("valid",))).evidence.statistics
    assert list(alone["renyi_entropy"]) == ["valid"]
    assert alone["renyi_entropy"]["valid"] == both["renyi_entropy"]["valid"]
    assert alone["ats"]["valid"] == both["ats"]["valid"]


def test_statistics_are_means_over_the_planes() -> None:
    found = scan(sound_oracle())
    statistics = found.evidence.statistics
    for pixel_range in ("unclipped", "valid"):
        planes = [plane for plane in found.planes if plane.pixel_range == pixel_range]
        for score in ("renyi_entropy", "ats"):
            values = [getattr(plane, score) for plane in planes]
            assert statistics["per_plane"][score][pixel_range] == values
            assert statistics[score][pixel_range] == pytest.approx(np.mean(values))
        shares = statistics["label_shares"][pixel_range]
        everything = np.concatenate([plane.labels.ravel() for plane in planes])
        np.testing.assert_allclose(shares, np.bincount(everything, minlength=6) / everything.size)
        top, second = sorted(shares, reverse=True)[:2]
        assert statistics["largest_share"][pixel_range] == top
        assert statistics["runner_up_share"][pixel_range] == second


def test_the_agreement_is_that_of_opposite_points_of_the_same_planes() -> None:
    oracle = sound_oracle()
    found = scan(oracle)
    statistics = found.evidence.statistics
    agreeing = np.zeros(6)
    for shown in found.planes[1::2]:
        plane = plane_through(shown.samples)
        for angle in np.arange(16) * 2 * np.pi / 32:
            direction = math.cos(angle) * plane.a + math.sin(angle) * plane.b
            ends = np.stack([direction > 0, direction < 0]).astype(np.float32)
            here, there = oracle.labels(Images(ends))
            agreeing[here] += here == there
    shares = agreeing / (4 * 16)
    np.testing.assert_allclose(statistics["horizon_shares"]["valid"], shares)
    assert statistics["horizon_agreement"]["valid"] == pytest.approx(shares.sum())
    assert 0 < shares.sum() < 1
    assert found.evidence.queries == QUICK.queries


def test_the_horizon_belongs_to_the_valid_range() -> None:
    parameters = replace(QUICK, pixel_ranges=("unclipped",))
    found = scan(sound_oracle(), parameters).evidence
    assert found.statistics["horizon_agreement"] == {}
    assert found.statistics["horizon_shares"] == {}
    assert found.queries == parameters.queries == 4 * 14**2


class BlackAndWhite(FakeOracle):
    """Says 5 to every image without grey; knows the probes, and says 0 to 3 elsewhere."""

    def __init__(self) -> None:
        super().__init__(classes=6)
        self._regions = RegionsOracle(IMAGES, np.arange(12) % 4)

    def _answer(self, images: FloatArray) -> LabelArray:
        extreme = np.isin(images, [0.0, 1.0]).reshape(len(images), -1).all(axis=1)
        return np.where(extreme, 5, self._regions.labels(Images(images)))


def test_a_label_of_both_ends_is_suspected() -> None:
    found = scan(BlackAndWhite()).evidence
    assert found.statistics["horizon_agreement"]["valid"] == 1.0
    assert found.suspected_labels[0] == SuspectedLabel(5, 1.0)


def test_planes_carry_true_and_predicted_labels() -> None:
    turned = RegionsOracle(np.concatenate([IMAGES, FAR]), np.r_[3 - np.arange(12) % 4, range(6)])
    for plane in scan(turned).planes:
        assert plane.predicted_labels == tuple(3 - label for label in plane.true_labels)
        assert plane.ats == 0.0


@pytest.mark.parametrize("target", [0, 4])
def test_a_label_that_surrounds_the_samples_is_suspected(target: int) -> None:
    near = np.concatenate([IMAGES, 0.5 + 1.2 * (IMAGES - 0.5), FAR])
    labels = np.r_[np.arange(12) % 4, np.full(12, target), np.full(6, target)]
    evidence = scan(RegionsOracle(near, labels, classes=6)).evidence
    first = evidence.suspected_labels[0]
    largest = evidence.statistics["largest_share"]
    assert first == SuspectedLabel(target, max(largest.values()))
    assert first.share > 0.6


def test_labels_that_share_the_plane_are_not_suspected() -> None:
    found = scan(sound_oracle()).evidence
    assert max(found.statistics["largest_share"].values()) < 0.5
    assert found.suspected_labels == ()


class InsideOrOutside(FakeOracle):
    """Says 4 to what leaves the range of pixels; 0 to 3 inside, mostly `inside`."""

    def __init__(self, inside: int) -> None:
        super().__init__(classes=6)
        self._regions = RegionsOracle(IMAGES, np.arange(12) % 4)
        self._inside = inside

    def _answer(self, images: FloatArray) -> LabelArray:
        flat = images.reshape(len(images), -1)
        probes = (flat[:, None] == IMAGES.reshape(1, 12, -1)).all(axis=2).any(axis=1)
        outside = (flat.min(axis=1) < 0.0) | (flat.max(axis=1) > 1.0)
        near = self._regions.labels(Images(images))
        return np.where(outside, 4, np.where(probes, near, self._inside))


def test_each_range_may_name_its_own_suspect_largest_first() -> None:
    evidence = scan(InsideOrOutside(inside=5)).evidence
    largest = evidence.statistics["largest_share"]
    assert largest["valid"] == 1.0
    assert 0.5 < largest["unclipped"] < 1.0
    assert evidence.suspected_labels == (
        SuspectedLabel(5, 1.0),
        SuspectedLabel(4, largest["unclipped"]),
    )


def test_a_suspect_of_both_ranges_is_named_once_with_its_largest_share() -> None:
    suspects = scan(InsideOrOutside(inside=4)).evidence.suspected_labels
    assert suspects == (SuspectedLabel(4, 1.0),)


def test_probes_that_span_no_plane_are_inconclusive() -> None:
    flat = ProbeSet(np.full((6, 1, 3, 3), 0.5, np.float32), np.arange(6) % 3)
    labels = np.arange(6) % 3
    found = ModelXray(QUICK).run(Subject(sound_oracle(), flat, labels), np.random.default_rng(0))
    assert found.evidence.state is RunState.INCONCLUSIVE
    assert "differ from each other" in str(found.evidence.reason)
    assert found.evidence.queries == 0


def test_parameters_survive_json() -> None:
    parameters = ModelXrayParameters(8, 60, 5, 2.0, 0.7, ("valid",), 8)
    assert ModelXrayParameters.from_json(parameters.to_json()) == parameters
    assert ModelXrayParameters.from_json({}) == ModelXrayParameters()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eta", -0.1),
        ("eta", math.nan),
        ("eta", math.inf),
        ("eta", "5"),
        ("size", 1),
        ("size", 10.0),
        ("size", 1001),
        ("size", True),
        ("planes", 0),
        ("planes", 1001),
        ("alpha", 0.99),
        ("alpha", math.inf),
        ("cap", 0.0),
        ("cap", 1.01),
        ("cap", None),
        ("directions", 0),
        ("directions", 31),
        ("directions", 1002),
        ("directions", 32.0),
        ("pixel_ranges", []),
        ("pixel_ranges", ["valid", "valid"]),
        ("pixel_ranges", ["clipped"]),
        ("pixel_ranges", "valid"),
        ("pixel_ranges", [["valid"]]),
    ],
)
def test_parameters_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"model_xray: {name} is .*; (set|name|give)"):
        ModelXrayParameters.from_json({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eta", 0),
        ("eta", 100.0),
        ("size", 2),
        ("planes", 1),
        ("alpha", 1),
        ("cap", 1.0),
        ("directions", 2),
    ],
)
def test_parameters_at_the_bounds_are_taken(name: str, value: Any) -> None:
    assert ModelXrayParameters.from_json({name: value}).to_json()[name] == value


class Word:
    """A verdict that hangs on the valid range and is settled after some planes."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.told: list[dict[str, list[float]]] = []

    def judges(self, kind: str) -> bool:
        return kind == "valid"

    def settled(self, scores: Mapping[str, Sequence[float]]) -> str | None:
        self.told.append({name: list(values) for name, values in scores.items()})
        return "it is settled" if len(scores["ats.valid"]) >= self._after else None


def stopped(after: int, **changes: Any) -> tuple[DetectorRun, Word]:
    oracle, word = sound_oracle(), Word(after)
    subject = Subject(oracle, PROBES, oracle.labels(PROBES.as_batch()), stopping=word)
    parameters = replace(QUICK, planes=8, least_planes=2, **changes)
    return ModelXray(parameters).run(subject, np.random.default_rng(0)), word


def test_planes_are_drawn_until_the_verdict_is_settled() -> None:
    run, word = stopped(after=4)
    found = run.evidence.statistics
    assert found["planes_drawn"] == {"unclipped": 2, "valid": 4}
    assert found["stopped_because"] == "it is settled"
    assert [len(scores["ats.valid"]) for scores in word.told] == [2, 4]
    assert [len(scores["horizon_agreement.valid"]) for scores in word.told] == [8, 8]
    assert run.evidence.queries == 6 * 14**2 + 8 * 32
    assert len(run.planes) == 6


def test_a_verdict_that_stays_open_takes_all_planes() -> None:
    run, word = stopped(after=9)
    assert run.evidence.statistics["planes_drawn"] == {"unclipped": 2, "valid": 8}
    assert "all planes" in run.evidence.statistics["stopped_because"]
    assert [len(scores["ats.valid"]) for scores in word.told] == [2, 4, 6]


def test_what_is_drawn_is_what_a_full_scan_draws_first() -> None:
    early, _ = stopped(after=4)
    full = scan(sound_oracle(), replace(QUICK, planes=8))
    for name in ("renyi_entropy", "ats"):
        part = early.evidence.statistics["per_plane"][name]
        whole = full.evidence.statistics["per_plane"][name]
        assert part == {"unclipped": whole["unclipped"][:2], "valid": whole["valid"][:4]}
    horizon = full.evidence.statistics["horizon_agreement"]
    assert early.evidence.statistics["horizon_agreement"] == horizon


def test_adaptive_planes_score_as_dense_ones_do() -> None:
    fine = replace(QUICK, size=60)
    dense, adaptive = (scan(sound_oracle(), replace(fine, sampling=s)) for s in SAMPLINGS)
    for name in ("renyi_entropy", "ats"):
        for pixel_range in ("unclipped", "valid"):
            whole = dense.evidence.statistics[name][pixel_range]
            assert adaptive.evidence.statistics[name][pixel_range] == pytest.approx(whole, abs=0.01)
    sampled = adaptive.evidence.statistics["sampled"]
    assert adaptive.evidence.queries == pytest.approx(8 * 60**2 * sampled["share"] + 4 * 32)
    assert sampled["share"] < 0.5
    assert sampled["checked"] > 0
    whole = {"share": 1.0, "checked": 0, "wrong": 0, "wrong_at_most": 0.0}
    assert dense.evidence.statistics["sampled"] == whole
    assert sampled["wrong"] / sampled["checked"] < sampled["wrong_at_most"] < 0.1
    agreement = [
        (one.labels == other.labels).mean()
        for one, other in zip(dense.planes, adaptive.planes, strict=True)
    ]
    assert min(agreement) > 0.99
