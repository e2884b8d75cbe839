"""What MLflow would import or open as the files of its model folder say."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from xray_gate.static_checks.item import Item
from xray_gate.static_checks.json_files import pairs_of
from xray_gate.static_checks.looking import Looking, refusal, shown

_LARGEST = 2**20
_MOST_EVENTS = 100_000
_MOST_DEPTH = 40
_NUMBER = re.compile(r"[-+0-9a-fA-FxobE:._]{200,}")
_LOADER = re.compile(r"mlflow(\.[a-z_0-9]+)+")
_PICKLE_MODULES = frozenset({"mlflow.pytorch.pickle_module", "pickle", "cloudpickle"})
# Names of paths that MLflow joins with the folder.
_PATHS = frozenset(
    {
        *("data", "code", "model_data", "model_path", "model_code_path", "model_binary"),
        *("pickled_model", "python_model", "path", "artifact_path", "serving_input_path"),
        *("saved_model_dir", "keras_model", "state_dict"),
    }
)
_STEP = "log the model again"
_CODE_STEP = "log the model without code of its own, for example as ONNX"


def check_mlmodel(item: Item, looking: Looking) -> None:
    """Refuse a description that imports other modules than MLflow's, or leads out of the folder."""
    if item.size > _LARGEST:
        raise refusal(item.place, "is larger than 1 MiB", _STEP)
    try:
        text = item.at(0, item.size).decode("utf-8")
        _require_plain(item.place, yaml.parse(text, Loader=yaml.SafeLoader))
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refusal(item.place, "is not readable YAML", _STEP) from error
    for name, value in pairs_of(document):
        if name in _PATHS and isinstance(value, str):
            _require_inside(item.place, name, value)
        if name == "loader_module" and not _is_mlflows(value):
            looking.unchecked(
                item.place, f"is loaded by {shown(str(value))}, which is not MLflow's", _CODE_STEP
            )
        if name == "pickle_module_name" and str(value) not in _PICKLE_MODULES:
            looking.unchecked(item.place, f"is unpickled by {shown(str(value))}", _CODE_STEP)
        if name in ("code", "model_code_path") and value:
            looking.unchecked(item.place, "brings Python code, which cannot be checked", _CODE_STEP)


def check_pickle_module(item: Item, looking: Looking) -> None:
    """Refuse a file that has MLflow import a module of its choice to unpickle with."""
    name = item.at(0, 200).decode("utf-8", "replace")
    if name not in _PICKLE_MODULES:
        looking.unchecked(item.place, f"wants to be unpickled by {shown(name)}", _CODE_STEP)


def _require_plain(place: str, events: Iterator[Any]) -> None:
    """Refuse what a reader would spend itself on.

    Aliases multiply what they stand for, numbers in base 60 are read in quadratic time, and types
    that are named may be anything.
    """
    depth = 0
    for count, event in enumerate(events):
        if isinstance(event, yaml.AliasEvent):
            raise refusal(place, "refers to a part of itself, as bombs do", _STEP)
        if getattr(event, "tag", None) is not None:
            raise refusal(place, f"names the type {shown(str(event.tag))}", _STEP)
        if isinstance(event, yaml.ScalarEvent) and _NUMBER.fullmatch(event.value):
            raise refusal(place, "holds an absurdly long number", _STEP)
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
        if depth > _MOST_DEPTH or count > _MOST_EVENTS:
            raise refusal(place, "is nested too deeply or too long to be looked through", _STEP)


def _require_inside(place: str, name: str, value: str) -> None:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value:
        raise refusal(place, f"its {name} leads out of the folder ({shown(value)})", _STEP)


def _is_mlflows(value: Any) -> bool:
    return isinstance(value, str) and _LOADER.fullmatch(value) is not None
