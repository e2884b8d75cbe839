"""Options of the whole suite, and what it takes away from its surroundings."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.support.databases",)

# How long an example takes is the machine's business, and no test is about it.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

_INHERITED = ("MLFLOW_", "XRAY_GATE_")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files anew instead of comparing"
    )
    parser.addoption(
        "--with-triggers",
        action="store_true",
        help="run the registry's tests in databases that have the gate's triggers",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A developer's own settings must not reach the tests, and MLflow must not call home.
    for name in [name for name in os.environ if name.startswith(_INHERITED)]:
        del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
