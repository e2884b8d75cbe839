"""What a policy asks of the isolation that models are opened in."""

import pytest
from pydantic import ValidationError

from tests.policy.builders import policy
from xray_gate.core.isolation import LeastIsolation
from xray_gate.policy.document import IsolationSpec


def test_pickled_models_are_opened_in_isolation_unless_a_policy_says_unsafe() -> None:
    assert policy().document.isolation.least == LeastIsolation("landlock+seccomp", "process")
    strict = IsolationSpec(pickled="bubblewrap", other="bubblewrap").least
    assert strict == LeastIsolation("bubblewrap", "bubblewrap")
    unsafe = IsolationSpec(unsafe_pickled_in_process=True).least
    assert unsafe == LeastIsolation("process", "process")


def test_pickled_models_without_isolation_cannot_be_asked_for_by_another_name() -> None:
    with pytest.raises(ValidationError, match="landlock"):
        policy(isolation={"pickled": "process"})


def test_a_policy_that_does_not_speak_of_isolation_keeps_its_digest() -> None:
    assert policy().digest == policy(isolation={"pickled": "landlock+seccomp"}).digest
    assert policy().digest != policy(isolation={"other": "bubblewrap"}).digest
    assert "isolation" not in policy().document.model_dump()
