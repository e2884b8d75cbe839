"""`python -m xray_gate` is `xray-gate`."""

from xray_gate.cli.main import run

run()
