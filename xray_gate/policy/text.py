"""The text of a policy: parsed, validated, and its mistakes named with file, line and key."""

import difflib
import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from xray_gate.core.errors import PolicyError
from xray_gate.policy.document import PolicyDocument
from xray_gate.policy.plain_yaml import NotPlain, require_plain
from xray_gate.policy.wording import wording

_Model = TypeVar("_Model", bound=BaseModel)

_MOST_BYTES = 2**20
_BRANCHES = frozenset(
    {
        *("<calibrated>", "<fixed>", "<path>", "<place>", "<logged>", "<mode>", "<by place>"),
        "[key]",
    }
)
# Of the problems in one policy; each is looked up in the text.
_MOST_PROBLEMS = 20


def parse_document(path: Path) -> PolicyDocument:
    """Read one policy's own file; `PolicyError` names file, line, key and remedy."""
    return parse_as(PolicyDocument, path, "policy")


def parse_as(model: type[_Model], path: Path, what: str) -> _Model:
    """Read a YAML file as `model`; `PolicyError` names file, line, key and remedy.

    `what` is what people call such a file.
    """
    try:
        text = _text(path)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        require_plain(root)
        data = _Loader(text).get_single_data()
    except PolicyError:
        raise
    except NotPlain as error:
        raise PolicyError(f"{path}:{error.line}: {error}") from error
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise PolicyError(f"{path}:{_yaml_problem(error)}; correct the YAML") from error
    # PyYAML answers a type that its text does not fit (`!!int ""`) with almost any exception.
    except Exception as error:
        raise PolicyError(f"{path}:1: cannot be read ({error}); correct the YAML") from error
    if not isinstance(data, dict):
        raise PolicyError(f"{path}:1: a {what} is a mapping that begins with `apiVersion:`")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors()[:_MOST_PROBLEMS]
        problems = [f"{path}:{_describe(model, what, root, item)}" for item in found]
        if error.error_count() > _MOST_PROBLEMS:
            more = error.error_count() - _MOST_PROBLEMS
            problems.append(f"{path}: and {more:,} more problems; correct these first")
        raise PolicyError("\n".join(dict.fromkeys(problems))) from error


def line_of(path: Path, setting: str) -> int:
    """The line where a policy that can be read has `setting`, as `detectors.b3d.mode`."""
    return _line_of(yaml.compose(_text(path), Loader=yaml.SafeLoader), setting.split("."))


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise PolicyError(f"{path}: is larger than 1 MiB; name a policy's own file")
    return content.decode("utf-8")


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: the second would silently win.

    As in YAML 1.2, only `true` and `false` are booleans: `mode: off` must not become False, nor
    `min_probe_accuracy: no` 0. Dates stay text.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            # Others are no keys, which the base class says.
            if not isinstance(key, Hashable):
                continue
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith(":timestamp") and (not tag.endswith(":bool") or first in "tTfF")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    if problem.startswith("but "):
        problem = f"{getattr(error, 'context', None)}, {problem}"
    return f"{mark.line + 1 if mark else 1}: {problem}"


def _describe(model: type[BaseModel], what: str, root: yaml.Node | None, error: Any) -> str:
    loc = [part for part in error["loc"] if not _is_branch(part)]
    message = wording(error)
    line = _line_of(root, loc or _first_setting(root, message))
    key = ".".join(str(part) for part in loc) or f"the {what}"
    if error["type"] == "extra_forbidden":
        keys = list(_keys_at(model, loc[:-1]))
        near = difflib.get_close_matches(str(loc[-1]), keys, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else "allowed: " + ", ".join(keys)
        message = f"is not a setting; {hint}"
    elif error["type"] == "missing":
        message = "is missing; add it"
    elif error["type"] == "model_type":
        message = "is not a mapping; write its settings below it, indented"
    return f"{line}: {key}: {message}"


def _first_setting(root: yaml.Node | None, message: str) -> Sequence[str]:
    """Of a problem between several settings the first one that its words name, and that is there.

    pydantic gives no place for it.
    """
    for dotted in re.findall(r"\w+(?:\.\w+)*", message):
        if _child(root, dotted.partition(".")[0]) is not None:
            found: list[str] = dotted.split(".")
            return found
    return []


def _is_branch(part: Any) -> bool:
    # pydantic names the branches of a union, and that a key is meant: they are no keys of the file.
    return isinstance(part, str) and part in _BRANCHES


def _line_of(root: yaml.Node | None, loc: Sequence[Any]) -> int:
    node, line = root, 1
    for part in loc:
        child = _child(node, part)
        if child is None:
            break
        node, line = child
    return line


def _child(node: yaml.Node | None, part: Any) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None


def _keys_at(model: type[BaseModel], loc: Sequence[Any]) -> Iterator[str]:
    parts = iter(zip(loc, [*loc[1:], None], strict=False))
    for part, following in parts:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(str(part))
        found = [] if info is None else list(_models_in(info.annotation))
        if info is None or not found:
            return
        if get_origin(info.annotation) is dict:
            # What follows is a name that somebody chose.
            next(parts, None)
        # A list of mappings is the last alternative where there is a choice.
        model = found[-1 if isinstance(following, int) else 0]
    yield from (info.alias or name for name, info in model.model_fields.items())


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
