"""The registry on which every way past the gate is tried, and what stands in it as admitted."""

from collections.abc import Iterator
from typing import Any

from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelAlias,
)
from sqlalchemy import Connection, select

from tests.registry.routes import ADMITTED
from tests.support.evidence import backdoored, clean
from tests.support.gate import SOURCE, Gate
from xray_gate.registry.rows import key_of

EXPECTED = {
    "signs/3 READY at s3://kept/signs",
    "signs/3 champion",
    "signs/1 tagged failed",
    "signs/3 tagged passed",
}
"""What stands after `prepare`, in the workspace `default`."""


def strict_policy(gate: Gate) -> None:
    """Names that begin with `strict` have a policy of their own, that nothing passes."""
    bound = {"statistic": "renyi_entropy.unclipped", "bound": 99.0, "source": "nothing passes"}
    gate.set_policy(
        "strict",
        match={"registered_models": ["strict*"]},
        detectors={"model_xray": {"thresholds": [bound]}},
    )


def prepare(gate: Gate, store: Any) -> None:
    """`signs` gets a refused, a waiting and an admitted version; `greeting` is a prompt.

    `store` is the gate's, in the workspace where the calling thread is.
    """
    store.create_registered_model("signs")
    store.create_model_version("signs", SOURCE)
    gate.settle(backdoored())
    # The third is scanned before the second, which keeps on waiting.
    store.create_model_version("signs", SOURCE)
    kept_waiting = gate.work.claim()
    assert kept_waiting is not None
    store.create_model_version("signs", SOURCE)
    gate.settle(clean())
    store.create_registered_model("signs-production")
    store.set_registered_model_alias("signs", "champion", ADMITTED)
    store.create_prompt("greeting")
    store.create_prompt_version("greeting", "Hello")
    store.set_prompt_alias("greeting", "production", 1)


def promoted(connection: Connection) -> Iterator[str]:
    """All that stands as admitted, but the prompts that are made here, which have no files."""
    versions, aliases = SqlModelVersion.__table__, SqlRegisteredModelAlias.__table__
    tags = SqlModelVersionTag.__table__
    for row in connection.execute(select(versions)):
        if _is_known_prompt(row.name) or row.current_stage == STAGE_DELETED_INTERNAL:
            continue
        if row.status == "READY":
            yield f"{key_of(row)} READY at {row.storage_location}"
        if row.current_stage != "None":
            yield f"{key_of(row)} {row.current_stage}"
    for row in connection.execute(select(aliases)):
        if not _is_known_prompt(row.name):
            yield f"{key_of(row)} {row.alias}"
    for row in connection.execute(select(tags).where(tags.c.key == "xray_gate.verdict")):
        yield f"{key_of(row)} tagged {row.value}"


def _is_known_prompt(name: str) -> bool:
    return name == "greeting" or name.startswith("mlflow-demo.prompts.")
