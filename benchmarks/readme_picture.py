"""Draw the README's picture: the first plane of the demo's clean model beside its backdoored one.

python -m benchmarks.readme_picture docs/images/planes.png
"""

import sys
from pathlib import Path

import xray_gate
from xray_gate.policy.files import read_policy
from xray_gate.report.figures import contact_sheet
from xray_gate.scan.pipeline import ScanRequest, default_seed
from xray_gate.wiring import scanning

DEMO = Path(xray_gate.__file__).parent / "data" / "demo"


def main() -> None:
    """Scan both models and write the picture."""
    policy = read_policy(DEMO / "policy.yaml")
    if policy.probes is None:
        raise SystemExit("the demo's policy names no probes")
    probes = scanning.load_probes(policy.probes, policy)
    planes = []
    for name in ("clean.onnx", "backdoored.onnx"):
        request = ScanRequest(DEMO / name, name, policy, probes, default_seed(policy))
        output = scanning.new_scan()(request)
        # The first plane of each, whatever it looks like: the same three samples for both.
        planes.append(next(plane for plane in output.planes if plane.pixel_range == "valid"))
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    names = policy.document.class_names
    target.write_bytes(
        contact_sheet(planes, captions=["clean", "backdoored (target: dog)"], class_names=names)
    )
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
