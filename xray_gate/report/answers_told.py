"""Whether the model answered alike in whatever company a question came, in words."""

from xray_gate.report.json_v1 import AnswersV1, WayOfAskingV1

CLEAN, POINTS = "clean samples among probe points", "probe points among clean samples"


def answers_told(answers: AnswersV1 | None) -> dict[str, str]:
    """What was asked to what came of it; empty where nothing was mixed."""
    if answers is None:
        return {}
    return {
        CLEAN: _way(answers.clean_among_probing),
        POINTS: _way(answers.probing_among_clean),
    }


def _way(way: WayOfAskingV1) -> str:
    if way.disagreed == 0:
        return f"{way.asked:,} asked, none answered differently"
    told = f"{way.asked:,} asked, {way.disagreed:,} answered differently"
    if way.rounded == 0:
        return told
    return f"{told}, {way.rounded:,} of them by rounding (alike in both kinds of company)"
