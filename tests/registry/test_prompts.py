from typing import Any

import pytest
import sqlalchemy
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY

from tests.support.gate import SOURCE, Gate, assert_refused
from xray_gate.ledger.tables import registrations

PROMPT = RegisteredModelTag(IS_PROMPT_TAG_KEY, "true")
PROMPT_VERSION = ModelVersionTag(IS_PROMPT_TAG_KEY, "true")


def _registrations(gate: Gate) -> int:
    count = sqlalchemy.select(sqlalchemy.func.count()).select_from(registrations)
    with gate.connection() as connection:
        return int(connection.execute(count).scalar_one())


@pytest.mark.parametrize("name", ["greeting", "signs-prompt"])
def test_prompts_live_as_if_there_were_no_gate(gate: Gate, name: str) -> None:
    store = gate.store
    store.create_prompt(name, description="says hello", tags={"team": "words"})
    for template in ("Hello {{name}}", [{"role": "user", "content": "Hello"}]):
        assert store.create_prompt_version(name, template).name == name
    store.set_prompt_alias(name, "production", 1)
    store.set_prompt_alias(name, "production", 2)
    assert store.get_prompt_version_by_alias(name, "production").version == 2
    store.set_prompt_tag(name, "language", "en")
    store.set_prompt_version_tag(name, 1, "tone", "formal")
    store.delete_prompt_version_tag(name, 1, "tone")
    store.delete_prompt_tag(name, "language")
    assert store.get_prompt_version(name, 1).template == "Hello {{name}}"
    assert store.get_model_version(name, 1).status == "READY"
    assert [p.name for p in store.search_prompts()] == [name]
    assert len(store.search_prompt_versions(name)) == 2
    store.delete_prompt_alias(name, "production")
    store.delete_prompt_version(name, 2)
    store.delete_prompt(name)
    assert store.get_prompt(name) is None
    assert _registrations(gate) == 0


def test_prompts_live_on_while_the_policies_are_broken(gate: Gate) -> None:
    (gate.folder / "images.yaml").write_text("name: [")
    gate.store.create_prompt("greeting")
    gate.store.create_prompt_version("greeting", "Hello")
    gate.store.set_prompt_alias("greeting", "production", 1)
    assert gate.store.get_prompt_version_by_alias("greeting", "production").template == "Hello"


def test_prompts_of_mlflows_own_client_pass_too(gate: Gate) -> None:
    gate.store.create_registered_model("greeting", tags=[PROMPT])
    tags = [PROMPT_VERSION, ModelVersionTag("mlflow.prompt.text", "Hello")]
    version = gate.store.create_model_version("greeting", "dummy-source", tags=tags)
    assert version.status == "READY"
    gate.store.set_registered_model_alias("greeting", "production", 1)


def test_a_prompt_is_renamed_freely(gate: Gate) -> None:
    gate.store.create_prompt("greeting")
    gate.store.create_prompt_version("greeting", "Hello")
    gate.store.set_prompt_alias("greeting", "production", 1)
    gate.store.rename_registered_model("greeting", "welcome")
    assert gate.store.get_prompt_version_by_alias("welcome", "production").template == "Hello"


def _tagged_model(gate: Gate) -> Any:
    gate.store.create_registered_model("signs", tags=[PROMPT])
    return gate.store.create_model_version("signs", SOURCE)


def _tagged_version(gate: Gate) -> Any:
    gate.store.create_registered_model("signs")
    return gate.store.create_model_version("signs", SOURCE, tags=[PROMPT_VERSION])


def _tagged_both(gate: Gate) -> Any:
    gate.store.create_registered_model("signs", tags=[PROMPT])
    return gate.store.create_model_version("signs", SOURCE, tags=[PROMPT_VERSION])


def _tagged_afterwards(gate: Gate) -> Any:
    version = gate.register()
    gate.store.set_registered_model_tag("signs", PROMPT)
    gate.store.set_model_version_tag("signs", 1, PROMPT_VERSION)
    return version


def _made_as_a_prompt(gate: Gate) -> Any:
    gate.store.create_prompt("signs")
    gate.store.create_prompt_version("signs", "Hello")
    gate.store.delete_prompt_version("signs", 1)
    return gate.store.create_model_version("signs", SOURCE, tags=[PROMPT_VERSION])


def _placeholder_without_a_prompt(gate: Gate) -> Any:
    return gate.register(source="dummy-source", tags=[PROMPT_VERSION])


def _placeholder_of_another_spelling(gate: Gate) -> Any:
    gate.store.create_registered_model("signs", tags=[PROMPT])
    return gate.store.create_model_version("signs", "./dummy-source", tags=[PROMPT_VERSION])


def _tag_that_says_no(gate: Gate) -> Any:
    no = RegisteredModelTag(IS_PROMPT_TAG_KEY, "false")
    gate.store.create_registered_model("signs", tags=[no])
    return gate.store.create_model_version("signs", "dummy-source", tags=[PROMPT_VERSION])


def _prompt_whose_tag_was_taken_away(gate: Gate) -> Any:
    gate.store.create_registered_model("signs")
    version = gate.store.create_model_version("signs", "dummy-source")
    gate.store.delete_registered_model_tag("signs", IS_PROMPT_TAG_KEY)
    return version


@pytest.mark.parametrize(
    "make",
    [
        _tagged_model,
        _tagged_version,
        _tagged_both,
        _tagged_afterwards,
        _made_as_a_prompt,
        _placeholder_without_a_prompt,
        _placeholder_of_another_spelling,
        _tag_that_says_no,
        _prompt_whose_tag_was_taken_away,
    ],
)
def test_a_model_that_calls_itself_a_prompt_is_gated(gate: Gate, make: Any) -> None:
    version = make(gate)
    assert version.status == "PENDING_REGISTRATION"
    number = version.version
    with assert_refused("waits for a scan"):
        gate.store.set_registered_model_alias("signs", "champion", number)
    with assert_refused("waits for a scan"):
        gate.store.set_prompt_alias("signs", "champion", number)
    with assert_refused("waits for a scan"):
        gate.store.transition_model_version_stage("signs", number, "Production", False)
    with assert_refused("waits for a scan"):
        gate.store.get_model_version_download_uri("signs", number)
    assert gate.work.claim() is not None


def test_a_copy_of_a_prompt_is_no_way_round(gate: Gate) -> None:
    gate.store.create_prompt("greeting")
    gate.store.create_prompt_version("greeting", "Hello")
    gate.store.create_registered_model("signs")
    with assert_refused("greeting/1 cannot be copied to 'signs'"):
        gate.store.create_model_version("signs", "models:/greeting/1")


def test_a_prompt_that_becomes_a_model_is_not_admitted(gate: Gate) -> None:
    gate.store.create_prompt("signs")
    gate.store.create_prompt_version("signs", "Hello")
    gate.store.set_prompt_alias("signs", "champion", 1)
    gate.store.delete_registered_model_tag("signs", IS_PROMPT_TAG_KEY)
    with assert_refused("registered before the gate"):
        gate.store.get_model_version_download_uri("signs", 1)
    with assert_refused("registered before the gate"):
        gate.store.set_registered_model_alias("signs", "challenger", 1)
