import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.open_models import FakeOpener
from tests.scan.making import clock, probe_set, regions, tiny_policy
from xray_gate.core.errors import ScanError
from xray_gate.core.evidence import Evidence, RunState
from xray_gate.core.verdict import Verdict
from xray_gate.policy.decision import decide
from xray_gate.policy.files import Policy
from xray_gate.scan.applicability import why_not_applicable
from xray_gate.scan.pipeline import Scan, ScanRequest
from xray_gate.scan.ports import FileRules


def model(folder: Path, *flavours: str, **signature: Any) -> Path:
    folder.mkdir(exist_ok=True)
    content: dict[str, Any] = {"flavors": {name: {} for name in flavours or ("python_function",)}}
    if signature:
        content["signature"] = {side: json.dumps(specs) for side, specs in signature.items()}
    (folder / "MLmodel").write_text(yaml.safe_dump(content))
    return folder


def tensor(*shape: int, dtype: str = "float32") -> list[dict[str, Any]]:
    return [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}]


IMAGES = tensor(-1, 3, 32, 32)


@pytest.mark.parametrize(
    ("flavours", "signature", "said"),
    [
        (("langchain", "python_function"), {}, "its flavour is langchain"),
        (("prophet",), {"inputs": IMAGES}, "its flavour is prophet"),
        ((), {"inputs": [{"type": "double", "name": "age"}, {"type": "long"}]}, "cells of a table"),
        ((), {"inputs": [{"type": "string"}]}, "cells of a table or text"),
        ((), {"inputs": tensor(-1, 12)}, r"takes float32 of shape \[-1, 12\]"),
        ((), {"inputs": tensor(-1, 3, 4, 4, dtype="str")}, "takes str"),
        ((), {"inputs": IMAGES, "outputs": tensor(-1)}, r"gives float32 of shape \[-1\]"),
        ((), {"inputs": IMAGES, "outputs": tensor(-1, 1)}, "gives float32"),
        ((), {"inputs": IMAGES, "outputs": [{"type": "double"}]}, "one number for each sample"),
    ],
)
def test_what_says_so_is_no_classifier_of_images(
    tmp_path: Path, flavours: tuple[str, ...], signature: Mapping[str, Any], said: str
) -> None:
    found = why_not_applicable(model(tmp_path, *flavours, **signature))
    assert found is not None
    assert re.search(said, found)


@pytest.mark.parametrize(
    ("flavours", "signature"),
    [
        ((), {}),
        (("onnx", "python_function"), {"inputs": IMAGES, "outputs": tensor(-1, 10)}),
        (("langchain", "onnx"), {}),
        (("transformers",), {}),
        ((), {"inputs": IMAGES, "outputs": tensor(-1, dtype="int64")}),
        ((), {"inputs": [{"type": "binary"}]}),
        ((), {"inputs": tensor(3, 32, 32)}),
        ((), {"inputs": tensor() + tensor(-1, 2)}),
        ((), {"inputs": "tabular"}),
        ((), {"inputs": [{"type": "tensor", "tensor-spec": {"shape": "x", "dtype": "str"}}]}),
    ],
)
def test_what_could_be_a_classifier_is_scanned(
    tmp_path: Path, flavours: tuple[str, ...], signature: Mapping[str, Any]
) -> None:
    assert why_not_applicable(model(tmp_path, *flavours, **signature)) is None


@pytest.mark.parametrize("content", ["a: [", "signature: {inputs: '{'}", "signature: []"])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "MLmodel").write_text(f"flavors: {{onnx: 1}}\n{content}")
    assert why_not_applicable(tmp_path) is None
    assert why_not_applicable(tmp_path / "gone") is None


RULES = tiny_policy()


def scanned(path: Path, rules: Policy, refuse: str | None = None) -> tuple[Evidence, FakeOpener]:
    def check(path: Path, rules: FileRules) -> None:
        if refuse is not None:
            raise ScanError(refuse)

    opener = FakeOpener(regions)
    scan = Scan(opener, clock(), check=check)
    return scan(ScanRequest(path, "m", rules, probe_set(), 0)).evidence, opener


def admitting(rules: Policy, **settings: bool) -> Policy:
    document = rules.document.model_copy(update=settings)
    return Policy(document, rules.calibration, rules.probes)


def test_it_is_neither_opened_nor_asked(tmp_path: Path) -> None:
    evidence, opener = scanned(model(tmp_path, "langchain"), RULES)
    assert evidence.probes is None
    assert evidence.not_applicable is not None
    assert evidence.model.flavours == ("langchain",)
    assert {run.state for run in evidence.detectors} == {RunState.SKIPPED}
    assert opener.requests == []
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence
    decision = decide(RULES, evidence)
    assert (decision.verdict, decision.undecided_class) == (Verdict.UNDECIDED, "not_applicable")
    assert not decision.admits
    allowed = decide(admitting(RULES, unsafe_admit_not_applicable=True), evidence)
    assert (allowed.verdict, allowed.admits) == (Verdict.UNDECIDED, True)
    assert allowed.reasons[-1] == "admitted all the same by unsafe_admit_not_applicable"


def test_what_the_look_at_its_files_refuses_is_undecided_only(tmp_path: Path) -> None:
    evidence, _ = scanned(model(tmp_path, "langchain"), RULES, refuse="a bomb; remove it")
    assert (evidence.not_applicable, evidence.obstacle) == (None, "a bomb; remove it")
    decision = decide(admitting(RULES, unsafe_admit_not_applicable=True), evidence)
    assert (decision.undecided_class, decision.admits) == (None, False)


def test_what_was_asked_after_all_is_judged_whatever_it_says(tmp_path: Path) -> None:
    evidence, _ = scanned(model(tmp_path, "langchain"), RULES)
    crashed = replace(evidence, not_applicable=None)
    settings = admitting(RULES, unsafe_admit_not_applicable=True)
    assert not decide(settings, crashed).admits
    assert not decide(settings, replace(evidence, obstacle=None)).admits


@pytest.mark.parametrize("flavour", ["langchain", "onnx"])
def test_evidence_says_what_only_unsafe_unchecked_code_opened(tmp_path: Path, flavour: str) -> None:
    def check(path: Path, rules: FileRules) -> None:
        if not rules.unchecked_code and (path / "own.py").exists():
            raise ScanError("own.py: is code")

    rules = admitting(RULES, unsafe_unchecked_code=True)
    scan = Scan(FakeOpener(regions), clock(), check=check)
    path = model(tmp_path, flavour)
    honest = scan(ScanRequest(path, "m", rules, probe_set(), 0)).evidence
    assert "unchecked_code" not in honest.environment
    (path / "own.py").touch()
    found = scan(ScanRequest(path, "m", rules, probe_set(), 0)).evidence
    assert found.environment["unchecked_code"] == "own.py: is code"
    other = scan(ScanRequest(path, "m", RULES, probe_set(), 0)).evidence
    assert "unchecked_code" not in other.environment
