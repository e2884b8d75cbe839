"""All that the model's process sees of our environment."""

import os
import sys
from pathlib import Path

# Everything else stays here: credentials of MLflow, clouds and databases above all.
_INHERITED = (
    "PATH",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_HOME",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)


def bare_environment(home: Path, threads: int, blas_threads: int) -> dict[str, str]:
    """The variables of a process whose home directory is `home`.

    It finds its modules where this process does, whatever way the package was installed, but not
    in the working directory.
    """
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    places = [entry for entry in sys.path if entry and Path(entry).is_absolute()]
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(blas_threads),
        # Each further arena takes 64 MiB of address space, which is what is limited.
        "MALLOC_ARENA_MAX": "4",
        # PyTorch makes this folder when it loads exported programs, which it must not need to.
        "TORCHINDUCTOR_CACHE_DIR": str(home),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
