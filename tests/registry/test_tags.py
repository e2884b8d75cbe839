import pytest
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.registry.rows import is_reserved_tag

RESERVED = ["xray_gate.verdict", "XRAY_GATE.verdict", "Xray_Gate.anything", "xray_gate."]


@pytest.mark.parametrize("key", RESERVED)
def test_clients_cannot_write_the_gates_tags(gate: Gate, key: str) -> None:
    gate.admitted()
    with assert_refused("written by the gate only"):
        gate.store.set_model_version_tag("signs", 1, ModelVersionTag(key, "forged"))
    with assert_refused("written by the gate only"):
        gate.store.set_registered_model_tag("signs", RegisteredModelTag(key, "forged"))
    assert "forged" not in gate.store.get_model_version("signs", 1).tags.values()
    assert gate.store.get_registered_model("signs").tags == {}


@pytest.mark.parametrize("key", RESERVED)
def test_clients_cannot_bring_the_gates_tags_along(gate: Gate, key: str) -> None:
    with assert_refused("written by the gate only"):
        gate.store.create_registered_model("signs", tags=[RegisteredModelTag(key, "forged")])
    gate.store.create_registered_model("signs")
    with assert_refused("written by the gate only"):
        gate.store.create_model_version("signs", SOURCE, tags=[ModelVersionTag(key, "forged")])
    assert gate.store.search_model_versions("name = 'signs'") == []
    assert gate.registration() is None


@pytest.mark.parametrize("key", RESERVED)
def test_clients_cannot_delete_the_gates_tags(gate: Gate, key: str) -> None:
    gate.admitted()
    before = gate.store.get_model_version("signs", 1).tags
    for method, *target in (
        (gate.store.delete_model_version_tag, "signs", 1),
        (gate.store.delete_prompt_version_tag, "signs", 1),
        (gate.store.delete_registered_model_tag, "signs"),
        (gate.store.delete_prompt_tag, "signs"),
    ):
        with assert_refused("cannot be deleted by a client"):
            method(*target, key)
    assert gate.store.get_model_version("signs", 1).tags == before


@pytest.mark.parametrize("key", RESERVED)
def test_clients_cannot_write_the_gates_tags_through_prompts(gate: Gate, key: str) -> None:
    gate.store.create_prompt("greeting")
    gate.store.create_prompt_version("greeting", "Hello {{name}}")
    with assert_refused("written by the gate only"):
        gate.store.set_prompt_tag("greeting", key, "forged")
    with assert_refused("written by the gate only"):
        gate.store.set_prompt_version_tag("greeting", 1, key, "forged")


def test_a_tag_is_never_what_a_decision_is_read_from(gate: Gate) -> None:
    gate.register()
    gate.plain.set_model_version_tag("signs", 1, ModelVersionTag("xray_gate.verdict", "passed"))
    with assert_refused("waits for a scan"):
        gate.store.set_registered_model_alias("signs", "champion", 1)


def test_all_other_tags_are_the_clients(gate: Gate) -> None:
    gate.register(tags=[ModelVersionTag("team", "vision")])
    gate.store.set_model_version_tag("signs", 1, ModelVersionTag("xray", "1"))
    gate.store.set_registered_model_tag("signs", RegisteredModelTag("xray_gates", "2"))
    gate.store.delete_model_version_tag("signs", 1, "team")
    assert gate.store.get_model_version("signs", 1).tags == {"xray": "1"}
    assert gate.store.get_registered_model("signs").tags == {"xray_gates": "2"}


def test_a_model_with_the_gates_tags_can_be_deleted(gate: Gate) -> None:
    gate.admitted()
    gate.store.delete_model_version("signs", 1)
    gate.store.delete_registered_model("signs")
    assert gate.store.search_registered_models("name = 'signs'") == []


def test_what_is_reserved_is_the_prefix_with_its_dot() -> None:
    assert is_reserved_tag("xray_gate.x")
    assert not is_reserved_tag("xray_gate")
    assert not is_reserved_tag("my.xray_gate.x")
