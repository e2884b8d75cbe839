import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.lab.table.cells import Cell, cells, clean_figures, kinds
from benchmarks.lab.table.markdown import auroc_table, rates_table
from benchmarks.lab.table.rows import Model, Reading

PAPERS = Path("benchmarks/lab/table/papers.json")


def model(
    file: str,
    score: float,
    attack: str | None = None,
    labels: tuple[int, ...] = (),
    refused: bool | None = False,
    learned: bool = True,
    architecture: str = "preact",
    scorer: str = "trigger_sweep",
) -> Model:
    reading = Reading(score, refused, labels, queries=100, seconds=2.0)
    targets = () if attack is None else (3,)
    known = ("cifar10", architecture, attack, None if attack is None else "all_to_one", targets)
    return Model(file, *known, learned, f"digest of {file}", {scorer: reading})


CLEAN = [model(f"clean_{number}", number / 100) for number in range(20)]


def test_each_attack_is_held_against_clean_models_of_its_kind() -> None:
    others = [model(f"other_{n}", 9.0, architecture="vgg") for n in range(3)]
    attacked = [
        model("bad_1", 1.0, "badnets", (3,), refused=True),
        model("bad_2", 0.105, "badnets", (4, 3), refused=False),
        model("sig_1", 2.0, "sig", (3,), refused=True),
    ]

    table = cells([*CLEAN, *others, *attacked], set(), 0)
    badnets, sig = (cell for cell in table if cell.architecture == "preact")

    assert (badnets.attack, badnets.attacked) == ("badnets", ("bad_1", "bad_2"))
    assert len(badnets.clean) == 20
    figures = badnets.figures["trigger_sweep"]
    assert figures.auroc.value == pytest.approx((20 + 11) / 40)
    assert figures.true_positive_rate == 0.5
    assert (figures.refused, figures.named, figures.with_target) == (1, 1, 2)
    assert sig.figures["trigger_sweep"].auroc.value == 1


def test_a_label_counts_where_the_model_is_refused() -> None:
    attacked = [
        model("refused", 1.0, "badnets", (3,), refused=True),
        model("passed", 1.0, "badnets", (3,), refused=False),
        model("undecided", 1.0, "badnets", (3,), refused=None),
        model("wrong", 1.0, "badnets", (4, 3), refused=True),
        model("none", 1.0, "badnets", (), refused=True),
    ]
    (cell,) = cells([*CLEAN, *attacked], set(), 0)
    named = cell.figures["trigger_sweep"]
    assert (named.refused, named.named, named.with_target) == (3, 1, 5)

    unjudged = [without_threshold(item) for item in [*CLEAN, *attacked]]
    (cell,) = cells(unjudged, set(), 0)
    figures = cell.figures["trigger_sweep"]
    assert (figures.refused, figures.named, figures.with_target) == (None, 0, 0)


def without_threshold(item: Model) -> Model:
    said = item.readings["trigger_sweep"]
    return replace(item, readings={"trigger_sweep": replace(said, refused=None)})


def test_architectures_are_put_under_one_threshold_too() -> None:
    others = [model(f"other_{n}", 1.0, architecture="vgg") for n in range(20)]
    attacked = model("bad", 0.5, "badnets")

    alone, together = cells([*CLEAN, *others, attacked], set(), 0)

    assert (alone.dataset, alone.architecture) == ("cifar10", "preact")
    assert (together.dataset, together.architecture) == ("cifar10", "all")
    assert (len(alone.clean), len(together.clean)) == (20, 40)
    assert alone.figures["trigger_sweep"].auroc.value == 1.0
    assert together.figures["trigger_sweep"].auroc.value == 0.5


def test_data_sets_are_put_together_last() -> None:
    one, other = model("a", 0.0), replace(model("b", 0.0), dataset="gtsrb")
    assert kinds([one, other]) == [("cifar10", "preact"), ("gtsrb", "preact"), ("all", "all")]
    assert kinds([one]) == [("cifar10", "preact")]


def test_calibration_models_and_failed_attacks_are_left_out() -> None:
    attacked = [model("bad", 1.0, "badnets"), model("failed", 0.0, "badnets", learned=False)]
    digests = {clean.sha256 for clean in CLEAN[:15]}

    (cell,) = cells([*CLEAN, *attacked], digests, 0)

    assert cell.attacked == ("bad",)
    assert cell.clean == tuple(clean.file for clean in CLEAN[15:])


def test_a_scorer_that_spoke_of_one_side_only_has_no_figures() -> None:
    peer = model("bad", 1.0, "badnets", scorer="mm_bd")
    (cell,) = cells([*CLEAN, peer], set(), 0)
    assert cell.figures == {}


def test_refused_clean_models_come_with_their_interval() -> None:
    refused = model("clean_20", 5.0, refused=True)
    undecided = model("clean_21", 0.0, refused=None)

    figures = clean_figures([*CLEAN, refused, undecided])["trigger_sweep"]

    assert (figures.refused, figures.undecided, figures.models) == (1, 1, 22)
    assert figures.low == pytest.approx(0.00115, abs=1e-5)
    assert figures.high == pytest.approx(0.22844, abs=1e-5)
    silent = [model("a", 0.0, refused=None)]
    assert clean_figures(silent) == {}


def table() -> list[Cell]:
    return cells([*CLEAN, model("bad_1", 0.155, "badnets", (3,), refused=True)], set(), 0)


def test_the_table_shows_means_and_what_was_published() -> None:
    lines = auroc_table(table(), json.loads(PAPERS.read_text()))

    assert lines[0] == "| attack | models | sweep |"
    assert "| badnets | 1 | 0.800 |" in lines
    assert "| *worst* |  | 0.800 |" in lines
    assert any(line.startswith("| badnets, published, PreActResNet-18") for line in lines)
    assert len({line.count("|") for line in lines}) == 1


def test_the_rates_name_what_was_found_and_refused() -> None:
    lines = rates_table(table(), clean_figures(CLEAN))

    assert lines[-1] == "| sweep | 0% of 1 | 1 of 1 | 0 of 20 (0% to 17%) | 1 of 1 | 100 | 2 |"


def test_published_figures_are_whole() -> None:
    papers = json.loads(PAPERS.read_text())
    for cell in papers["cells"]:
        for name, values in cell["auroc"].items():
            assert name in papers["scorers"]
            assert len(values) == len(cell["attacks"])
            assert all(0 <= value <= 1 for value in values)
    # The means that the paper prints in its Table 2.
    first, second, _ = papers["cells"]
    assert sum(first["auroc"]["renyi_entropy"]) / 7 == pytest.approx(0.890, abs=1e-3)
    assert sum(second["auroc"]["ats"]) / 7 == pytest.approx(0.978, abs=1e-3)
