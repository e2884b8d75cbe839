import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_gate.core.access import Access
from xray_gate.core.evidence import (
    AnswerFacts,
    DetectorEvidence,
    Evidence,
    ModelFacts,
    ProbeFacts,
    RunState,
    SuspectedLabel,
    WayOfAsking,
)

shares = st.floats(0, 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(), values, max_size=4)
detectors = st.builds(
    DetectorEvidence,
    name=st.text(),
    access=st.sampled_from(Access),
    state=st.sampled_from(RunState),
    reason=st.none() | st.text(),
    statistics=mappings,
    suspected_labels=st.lists(
        st.builds(SuspectedLabel, label=st.integers(0), share=shares), max_size=3
    ).map(tuple),
    queries=st.integers(0),
    seconds=numbers,
    parameters=mappings,
)
ways = st.builds(
    WayOfAsking, asked=st.integers(0), disagreed=st.integers(0), rounded=st.integers(0)
)
evidences = st.builds(
    Evidence,
    scan_id=st.text(),
    started_at=st.text(),
    finished_at=st.text(),
    model=st.builds(
        ModelFacts,
        ref=st.text(),
        digest=st.text(),
        format=st.text(),
        classes=st.integers(0),
        architecture=st.none() | st.text(),
    ),
    probes=st.none()
    | st.builds(
        ProbeFacts, count=st.integers(0), classes=st.integers(0), sha256=st.text(), accuracy=shares
    ),
    detectors=st.lists(detectors, max_size=3).map(tuple),
    seed=st.integers(0),
    obstacle=st.none() | st.text(),
    environment=mappings,
    answers=st.none()
    | st.builds(
        AnswerFacts,
        check_queries=st.integers(0),
        clean_among_probing=ways,
        probing_among_clean=ways,
    ),
)


@given(evidences)
def test_evidence_survives_its_json(evidence: Evidence) -> None:
    text = json.dumps(evidence.to_json(), allow_nan=False)
    back = Evidence.from_json(json.loads(text))
    assert back == evidence
    assert all(isinstance(item.state, RunState) for item in back.detectors)
    assert all(isinstance(item.access, Access) for item in back.detectors)


SOME = Evidence(
    scan_id="1",
    started_at="",
    finished_at="",
    model=ModelFacts("m", "sha256:0", "onnx", 4),
    probes=ProbeFacts(4, 4, "sha256:1", 1.0),
    detectors=(DetectorEvidence("model_xray", Access.HARD_LABEL, RunState.COMPLETED),),
    seed=0,
)


@pytest.mark.parametrize("key", sorted(SOME.to_json().keys() - {"answers", "not_applicable"}))
def test_evidence_without_one_of_its_keys_is_refused(key: str) -> None:
    data = SOME.to_json()
    del data[key]
    with pytest.raises(KeyError, match=key):
        Evidence.from_json(data)


def test_older_evidence_has_no_answers_and_no_word_of_the_models() -> None:
    data = SOME.to_json()
    del data["answers"], data["not_applicable"], data["model"]["flavours"]
    assert Evidence.from_json(data) == SOME


@pytest.mark.parametrize("broken", [{}, {"check_queries": 1}, [], "none", {"asked": 1}])
def test_answers_that_are_none_are_refused(broken: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Evidence.from_json(SOME.to_json() | {"answers": broken})


def test_an_unknown_state_is_refused() -> None:
    data = json.loads(json.dumps(SOME.to_json()))
    data["detectors"][0]["state"] = "admitted"
    with pytest.raises(ValueError, match="admitted"):
        Evidence.from_json(data)


def test_an_unknown_fact_is_refused() -> None:
    data = json.loads(json.dumps(SOME.to_json()))
    data["model"]["trusted"] = True
    with pytest.raises(TypeError, match="trusted"):
        Evidence.from_json(data)


def test_flavours_are_read_back_and_others_refused() -> None:
    data = json.loads(json.dumps(SOME.to_json()))
    data["model"]["flavours"] = ["onnx", "python_function"]
    assert Evidence.from_json(data).model.flavours == ("onnx", "python_function")
    for broken in ("onnx", [1], {"onnx": 1}):
        data["model"]["flavours"] = broken
        with pytest.raises(TypeError, match="flavours"):
            Evidence.from_json(data)
