"""Which of MLflow's own HTTP endpoints reach the registry store, read out of MLflow's code."""

import dis
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from mlflow.server import handlers

# Where the server gets its registry store from; and what speaks to a registry as a client does, or
# leads there by a table that code cannot be followed through.
_STORE = "_get_model_registry_store"
_CLIENTS = {"MlflowClient", "ModelRegistryClient", "register_prompt", "demo_registry"}
_FOLLOWED = ("mlflow.server", "mlflow.gateway", "mlflow.genai")
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD"}


@dataclass(frozen=True, order=True)
class Endpoint:
    """A verb and a path, as a server without a prefix has it."""

    verb: str
    path: str


def endpoints() -> dict[Endpoint, Callable[..., Any]]:
    """Every endpoint of MLflow's server; the app that asks who one is adds those of accounts."""
    from mlflow.server import app
    from mlflow.server.fastapi_app import app as native

    found: dict[Endpoint, Callable[..., Any]] = {}
    for rule in app.url_map.iter_rules():
        for verb in rule.methods - {"HEAD", "OPTIONS"}:
            found[Endpoint(verb, str(rule))] = app.view_functions[rule.endpoint]
    for route in native.routes:
        for verb in getattr(route, "methods", None) or ():
            found[Endpoint(verb, route.path)] = route.endpoint
    return found


def reaching_the_registry() -> dict[Endpoint, set[str]]:
    """The endpoints whose code gets the registry store, or a client of one, and which of both."""
    named = {endpoint: reached(handler) for endpoint, handler in endpoints().items()}
    return {endpoint: names for endpoint, names in named.items() if names}


def reached(handler: Callable[..., Any]) -> set[str]:
    """What of `_STORE` and `_CLIENTS` a function names, or what it calls within MLflow's server."""
    found: set[str] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [handler]
    while waiting:
        function = inspect.unwrap(waiting.pop())
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        for name in _names(function.__code__):
            if name == _STORE or name in _CLIENTS:
                found.add(name)
            # `mlflow.server.handlers.NAME` is followed by its last name.
            for names in (function.__globals__, vars(handlers)):
                waiting.extend(_ours(names.get(name)))
        for module, name in _imports(function.__code__):
            if name in _CLIENTS:
                found.add(name)
            waiting.extend(_ours(getattr(importlib.import_module(module), name, None)))
        waiting.extend(cell.cell_contents for cell in function.__closure__ or () if _is_full(cell))
    return found


def _is_full(cell: Any) -> bool:
    try:
        return isinstance(cell.cell_contents, FunctionType)
    except ValueError:
        return False


def _ours(value: Any) -> Iterator[Any]:
    """What is of MLflow's server: functions, and those in its tables of functions and classes."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _ours(item)
    elif inspect.isclass(value) and value.__module__.startswith("mlflow.server"):
        for item in vars(value).values():
            yield from _ours(item)
    elif isinstance(value, FunctionType) and value.__module__.startswith(_FOLLOWED):
        yield value


def _names(code: CodeType) -> Iterator[str]:
    for part in _parts(code):
        for step in dis.get_instructions(part):
            if step.opname in _LOADS:
                yield str(step.argval)


def _imports(code: CodeType) -> Iterator[tuple[str, str]]:
    for part in _parts(code):
        module = ""
        for step in dis.get_instructions(part):
            if step.opname == "IMPORT_NAME":
                module = str(step.argval)
            elif step.opname == "IMPORT_FROM" and module.partition(".")[0] == "mlflow":
                yield module, str(step.argval)


def _parts(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
