import subprocess
import sys

RUNTIMES = ("torch", "onnxruntime", "onnx", "mlflow")
PARENT = ("isolation", "process", "pipes", "protocol", "formats", "outputs", "fit", "interface")


def test_the_scanning_side_needs_no_model_runtime() -> None:
    modules = ", ".join(f"xray_gate.backends.{name}" for name in PARENT)
    code = f"import sys; sys.modules.update(dict.fromkeys({RUNTIMES})); import {modules}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
