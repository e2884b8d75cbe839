from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks.lab.data.splits import Split


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """What the lab trains with; sums do not depend on the machine's cores then."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small() -> Split:
    """200 smooth 32x32 RGB images of four classes, told apart by their colour."""
    rng = np.random.default_rng(5)
    labels = np.arange(200, dtype=np.int64) % 4
    tints = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [120, 120, 120]])
    images = tints[labels][:, None, None, :] + rng.integers(-30, 31, (200, 32, 32, 3))
    return Split(images.clip(0, 255).astype(np.uint8), labels)
