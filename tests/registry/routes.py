"""Every public method of MLflow's registry store, and what the gate does with it.

`gated`: refused for what no verdict admits. `reserved`: refused for the gate's own tags.
`filtered`: answers with what is admitted only. `free`: nothing is promoted or read by it, whatever
it is given. The attempts to get past the gate by it are all made in `test_routes.py`.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY

Attempt = Callable[[Any], Any]

REFUSED, WAITING, ADMITTED = 1, 2, 3
"""Versions of `signs`: suspected, not scanned yet, and one that passed."""
_FORGED = ("xray_gate.verdict", "passed")
HOOKS_MAY_BE_LOCAL = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "0",
}
"""Settings of MLflow's for where webhooks are tried: nobody listens where they lead."""


@dataclass(frozen=True)
class Route:
    """`why` is for the reader; `attempts` are made on a store, one after the other."""

    decision: Literal["gated", "reserved", "filtered", "free"]
    why: str
    attempts: tuple[Attempt, ...]


def gated(why: str, *attempts: Attempt) -> Route:
    return Route("gated", why, attempts)


def reserved(*attempts: Attempt) -> Route:
    return Route("reserved", "tags of the gate's own are what people read", attempts)


def free(why: str, *attempts: Attempt) -> Route:
    return Route("free", why, attempts)


def _copy(store: Any) -> Any:
    # What a client sends is a version of its own making.
    source = store.get_model_version("signs", REFUSED)
    return store.copy_model_version(source, "signs-production")


def _prompt_that_is_a_model(store: Any) -> Any:
    store.create_registered_model("signs-prompt", tags=[RegisteredModelTag(IS_PROMPT_TAG_KEY, "1")])
    store.create_model_version("signs-prompt", "s3://models/evil")
    return store.set_registered_model_alias("signs-prompt", "champion", 1)


def _new_hook(store: Any) -> str:
    told = [WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)]
    url = "https://127.0.0.1:9/told"
    hook = store.create_webhook("told", url, told, status=WebhookStatus.DISABLED)
    return str(hook.webhook_id)


def _try_hook(store: Any) -> None:
    # Only clients can; the server asks its store for the webhook, and calls it then.
    with suppress(NotImplementedError):
        store.test_webhook(_new_hook(store))


_METADATA = "words about a version; its files, status and name stay"
_READ = "shows what is there, and no place of files that a loader asks for"
_PROMPT = "prompts have no files, and a version with files is none, whatever its tags say"
_HOOK = "tells others what happened, after it happened"
_LINK = "writes to traces and runs, not to the registry"

ROUTES: dict[str, Route] = {
    "copy_model_version": gated("a copy of what is refused is refused", _copy),
    "create_model_version": gated(
        "a new version waits for its verdict, a copy has its original's",
        lambda store: store.create_model_version("signs-production", f"models:/signs/{REFUSED}"),
        lambda store: store.create_model_version("signs-production", f"models:/signs/{WAITING}"),
    ),
    "create_prompt": free(_PROMPT, lambda store: store.create_prompt("new-prompt")),
    "create_prompt_version": free(
        "makes no prompt of a model: what it adds to one waits for a verdict",
        lambda store: store.create_prompt_version("signs", "Hello"),
    ),
    "create_registered_model": free(
        "a name without versions", lambda store: store.create_registered_model("signs-new")
    ),
    "create_webhook": free(_HOOK, _new_hook),
    "delete_model_version": free(
        "nothing is admitted by a deleted version",
        lambda store: store.delete_model_version("signs", REFUSED),
    ),
    "delete_model_version_tag": reserved(
        lambda store: store.delete_model_version_tag("signs", REFUSED, "xray_gate.verdict"),
    ),
    "delete_prompt": free(_PROMPT, lambda store: store.delete_prompt("greeting")),
    "delete_prompt_alias": free(
        "takes a promotion back", lambda store: store.delete_prompt_alias("signs", "champion")
    ),
    "delete_prompt_tag": reserved(
        lambda store: store.delete_prompt_tag("signs", "xray_gate.verdict")
    ),
    "delete_prompt_version": free(_PROMPT, lambda store: store.delete_prompt_version("signs", 1)),
    "delete_prompt_version_tag": reserved(
        lambda store: store.delete_prompt_version_tag("signs", REFUSED, "xray_gate.verdict"),
    ),
    "delete_registered_model": free(
        "a name that is used again begins anew",
        lambda store: store.delete_registered_model("signs"),
    ),
    "delete_registered_model_alias": free(
        "takes a promotion back",
        lambda store: store.delete_registered_model_alias("signs", "champion"),
    ),
    "delete_registered_model_tag": reserved(
        lambda store: store.delete_registered_model_tag("signs", "xray_gate.verdict"),
    ),
    "delete_webhook": free(_HOOK, lambda store: store.delete_webhook(_new_hook(store))),
    "get_latest_versions": Route(
        "filtered",
        "`models:/NAME/latest` is the newest that is admitted",
        (lambda store: [v.version for v in store.get_latest_versions("signs")],),
    ),
    "get_model_version": free(_READ, lambda store: store.get_model_version("signs", REFUSED)),
    "get_model_version_by_alias": free(
        "an alias stands on what was admitted",
        lambda store: store.get_model_version_by_alias("signs", "champion"),
    ),
    "get_model_version_download_uri": gated(
        "the place of the files that a loader asks for",
        lambda store: store.get_model_version_download_uri("signs", REFUSED),
        lambda store: store.get_model_version_download_uri("signs", WAITING),
    ),
    "get_prompt": free(_READ, lambda store: store.get_prompt("signs")),
    "get_prompt_version": free(_READ, lambda store: store.get_prompt_version("greeting", 1)),
    "get_prompt_version_by_alias": free(
        _READ, lambda store: store.get_prompt_version_by_alias("greeting", "production")
    ),
    "get_registered_model": free(_READ, lambda store: store.get_registered_model("signs")),
    "get_webhook": free(_HOOK, lambda store: store.get_webhook(_new_hook(store))),
    "link_prompt_version_to_model": free(_LINK),
    "link_prompt_version_to_run": free(_LINK),
    "link_prompts_to_trace": free(_LINK),
    "list_webhooks": free(_HOOK, lambda store: store.list_webhooks()),
    "list_webhooks_by_event": free(_HOOK),
    "rename_registered_model": gated(
        "what stands as admitted must be admitted by the new name's policy",
        lambda store: store.rename_registered_model("signs", "strict-signs"),
        lambda store: store.rename_registered_model("signs", "nobody's"),
    ),
    "search_model_versions": free(_READ, lambda store: store.search_model_versions()),
    "search_prompt_versions": free(_READ, lambda store: store.search_prompt_versions("greeting")),
    "search_prompts": free(_READ, lambda store: store.search_prompts()),
    "search_registered_models": free(_READ, lambda store: store.search_registered_models()),
    "set_model_version_tag": reserved(
        lambda store: store.set_model_version_tag("signs", REFUSED, ModelVersionTag(*_FORGED)),
    ),
    "set_prompt_alias": gated(
        "an alias is one, by whatever name it is asked for",
        lambda store: store.set_prompt_alias("signs", "champion", REFUSED),
        lambda store: store.set_prompt_alias("signs", "CHAMPION", WAITING),
    ),
    "set_prompt_tag": reserved(lambda store: store.set_prompt_tag("signs", *_FORGED)),
    "set_prompt_version_tag": reserved(
        lambda store: store.set_prompt_version_tag("signs", REFUSED, *_FORGED),
    ),
    "set_registered_model_alias": gated(
        "every alias promotes, but those that the policy lists as free",
        lambda store: store.set_registered_model_alias("signs", "champion", REFUSED),
        lambda store: store.set_registered_model_alias("signs", "champion", WAITING),
        _prompt_that_is_a_model,
    ),
    "set_registered_model_tag": reserved(
        lambda store: store.set_registered_model_tag("signs", RegisteredModelTag(*_FORGED)),
    ),
    "supports_workspaces": free(_READ, lambda store: store.supports_workspaces),
    "test_webhook": free(_HOOK, _try_hook),
    "transition_model_version_stage": gated(
        "Staging and Production promote; others are archived on the way",
        lambda store: store.transition_model_version_stage("signs", REFUSED, "Production", True),
        lambda store: store.transition_model_version_stage("signs", WAITING, "staging", False),
    ),
    "update_model_version": free(
        _METADATA, lambda store: store.update_model_version("signs", REFUSED, "it is fine")
    ),
    "update_registered_model": free(
        _METADATA, lambda store: store.update_registered_model("signs", "they are fine")
    ),
    "update_webhook": free(
        _HOOK, lambda store: store.update_webhook(_new_hook(store), status=WebhookStatus.ACTIVE)
    ),
}
