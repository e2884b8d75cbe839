from typing import Any

import pytest

from benchmarks.sweep_table import is_learned, names_the_target, rate, score, summary, table


def row(file: str, attack: str | None = None, p: float | None = 1.0, **changes: Any) -> Any:
    return {
        "file": file,
        "attack": attack,
        "target": None if attack is None else 3,
        "clean_accuracy": 0.9,
        "attack_success_rate": None if attack is None else 1.0,
        "failed_attack": None if attack is None else False,
        "verdict": "passed" if p is None or p > 0.01 else "failed",
        "reason": None,
        "p_value": p,
        "excess": 0.0,
        "candidate": {"text": "a patch", "share": 0.9, "towards": 3},
        "queries": 20_000,
        "seconds": 5.0,
        **changes,
    }


def test_a_smaller_p_scores_higher_and_the_excess_breaks_ties() -> None:
    assert score(row("a", p=1e-6)) > score(row("b", p=1e-3)) > score(row("c", p=1.0))
    assert score(row("a", excess=0.2)) > score(row("b", excess=-0.2))
    assert score(row("a", p=None)) == score(row("b", p=1.0))


@pytest.mark.parametrize(
    ("changes", "learned"),
    [
        ({"attack": None}, True),
        ({"attack": "badnets", "failed_attack": True}, False),
        ({"attack": "badnets", "failed_attack": None, "attack_success_rate": 0.79}, False),
        ({"attack": "badnets", "failed_attack": None, "attack_success_rate": 0.81}, True),
    ],
)
def test_an_attack_that_was_not_learned_does_not_count(
    changes: dict[str, Any], learned: bool
) -> None:
    assert is_learned({**row("a"), **changes}) is learned


def test_the_target_is_named_or_not_or_there_is_none() -> None:
    assert names_the_target(row("a", "badnets")) is True
    assert names_the_target(row("a", "badnets", target=4)) is False
    assert names_the_target(row("a", "badnets", target=None)) is None


def test_the_summary_counts_what_was_found() -> None:
    rows = [
        row("clean_1"),
        row("clean_2", p=1e-4),
        row("bad_1", "badnets", p=1e-9),
        row("bad_2", "badnets", p=0.5),
        row("failed", "sig", p=0.5, failed_attack=True),
    ]
    said = "\n".join(summary(rows))
    assert "clean models refused: 1 of 2" in said
    assert "backdoored models found: 1 of 2" in said
    assert "right target among those found (one target): 1 of 1" in said
    assert "left out, attack not learned: 1" in said
    assert "AUROC, one score for all: 0.750" in said
    assert len(table(rows)) == 2 + len(rows)


def test_a_rate_has_its_interval() -> None:
    assert rate(0, 30) == "0 of 30 (0% to 12%)"
    assert rate(0, 0) == "0 of 0"
