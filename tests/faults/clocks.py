"""Rows of the table in which a runner's clock is put forward or back."""

from tests.faults.cases import LOOKS, Row, describe, row, state_of
from tests.faults.instrument import Fault
from tests.faults.program import HOUR
from tests.faults.site import FaultSite

JUMPS = {
    "forward between claim and renewal": {"renew": HOUR},
    "back between claim and renewal": {"renew": -HOUR},
    "forward before the verdict is written": {"finish": HOUR},
    "back before the verdict is written": {"finish": -HOUR},
    "forward and back again": {"claim": HOUR, "finish": -HOUR},
}


def run_jump(site: FaultSite, when: str) -> Row:
    """The clock jumps by an hour, and the runner goes on."""
    number = site.register()
    runner = site.runner(jumps=JUMPS[when], awaited="renew: committed", renew_seconds=0.05)
    assert runner.ended() == 0, runner.log
    left = describe(site, number)
    site.recover(LOOKS)
    return row(site, number, when, "clock moved by an hour", left)


def run_lease_of_the_past(site: FaultSite) -> Row:
    """A clock that goes back makes a lease look as if it had run out: another runner takes it."""
    number = site.register()
    step = "renew: committed"
    slow = site.runner(
        jumps={"renew": -HOUR}, faults={step: Fault.STOP}, awaited=step, renew_seconds=0.05
    )
    slow.wait_until_stopped()
    left = describe(site, number)
    other = site.runner()
    assert other.ended() == 0, other.log
    assert state_of(site, number) == "admitted"
    slow.go_on()
    slow.ended()
    assert "the result of this scan is dropped" in slow.log
    return row(site, number, step, "clock back by an hour, a second runner at work", left)


def run_lease_of_the_future(site: FaultSite) -> Row:
    """A runner whose clock is an hour ahead dies: others wait until their clocks say so, too."""
    number = site.register()
    step = "scan: the model is open"
    assert site.runner(jumps={"claim": HOUR}, faults={step: Fault.KILL}).ended() < 0
    left = describe(site, number)
    assert site.runner().ended() == 0
    assert state_of(site, number) == "waiting"
    assert site.runner(hours=2.0, looks=LOOKS).ended() == 0
    return row(site, number, step, "clock forward by an hour, then kill -9", left)
