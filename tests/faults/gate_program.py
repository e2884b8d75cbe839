"""What the server does to the registry, in a process of its own that can be killed at each step."""

from typing import Any

from tests.faults.instrument import Instrument
from tests.faults.program import Order, set_up
from xray_gate.scan.work import VersionKey
from xray_gate.wiring import acting, server


def call(order: Order, name: str, *arguments: Any) -> None:
    """Let the gated store do `name`, as MLflow's server would.

    `revoke` and `rescan` are done as the commands of these names do. The statements of all its
    transactions are steps of `name`.
    """
    set_up(order)
    store: Any = server.gated_store(order.registry_uri, order.tracking_uri)
    instrument = Instrument(order.folder, order.faults)
    instrument.watch(store.engine)
    with instrument.transaction(name):
        if name == "revoke":
            acting.revoke_version(order.registry_uri, _key(arguments), "stolen data", "ann")
        elif name == "rescan":
            acting.rescan_version(order.registry_uri, _key(arguments), "ann")
        else:
            getattr(store, name)(*arguments)


def _key(arguments: tuple[Any, ...]) -> VersionKey:
    model, version = arguments
    return VersionKey("default", model, version)
