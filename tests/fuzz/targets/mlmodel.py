"""MLflow's description of a model."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import yaml

from tests.fuzz.choosing import Choose, changed_bytes, changed_tree
from tests.fuzz.scratch import written
from tests.fuzz.telling import require
from xray_gate.backends.formats import find_source
from xray_gate.core.errors import InputError, ScanError
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.check import check_files

WORDS = (
    *(
        b"flavors:",
        b"python_function:",
        b"pytorch:",
        b"onnx:",
        b"data: ",
        b"model_data: ",
        b"code: ",
    ),
    *(
        b"loader_module: mlflow.onnx",
        b"pickle_module_name: ",
        b"../",
        b"!!int",
        b"!!set",
        b"<<: *a",
    ),
    *(b"&a ", b"*a", b"0x", b"1:1:1", b"? ", b'"\\0"', b".nan", b"null"),
)


def target(data: bytes) -> None:
    """What is let through imports MLflow's modules only, and stays in its folder."""
    path = written("mlmodel/model/MLmodel", data)
    written("mlmodel/model/model.onnx", b"")
    for rules in (FileRules(), FileRules(unchecked_code=True)):
        try:
            check_files(path.parent, rules)
        except (ScanError, InputError) as error:
            require(error, printable=True)
            continue
        if not rules.unchecked_code:
            _imports_nothing(yaml.safe_load(data))
    try:
        source = find_source(path.parent)
    except InputError as error:
        require(error)
        return
    assert source.path.is_relative_to(path.parent)


def _imports_nothing(document: Any) -> None:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if isinstance(value, dict):
            waiting += value.values()
            assert str(value.get("loader_module", "mlflow.x")).startswith("mlflow.")
            assert not value.get("code")
            assert ".." not in str(value.get("data", "")).split("/")


def seeds() -> Mapping[str, bytes]:
    """As MLflow writes them for its flavours."""
    common = {"model_uuid": "m-1", "utc_time_created": "2026-11-22 08:30:00.000000", "run_id": "a"}
    made: dict[str, Any] = {
        "onnx": {
            "onnx": {"data": "model.onnx", "onnx_version": "1.19", "code": None},
            "python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx", "env": {}},
        },
        "pytorch": {
            "pytorch": {"model_data": "data", "pytorch_version": "2.10", "code": None},
            "python_function": {"loader_module": "mlflow.pytorch", "pickle_module_name": "pickle"},
        },
        "pyfunc": {"python_function": {"loader_module": "mlflow.pyfunc.model", "code": None}},
        "none": {},
    }
    return {
        name: yaml.safe_dump({"flavors": flavors, **common}).encode()
        for name, flavors in made.items()
    }


def mutate(data: bytes, choose: Choose) -> bytes:
    """Another tree, a word put in, or other bytes."""
    if choose(3) and b"*" not in data and b"<<" not in data:
        with suppress(Exception):
            words = ("loader_module", "pickle_module_name", "code", "../x", "/etc/passwd", "onnx")
            return yaml.safe_dump(changed_tree(yaml.safe_load(data), choose, words)).encode()
    if choose(2):
        at, word = choose(len(data) + 1), WORDS[choose(len(WORDS))]
        return data[:at] + word + b" " + data[at:]
    return changed_bytes(data, choose)
