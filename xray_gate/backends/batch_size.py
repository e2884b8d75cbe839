"""How many images are asked at once: what does not depend on a clock (docs/adr/0012)."""

from collections.abc import Callable

_ON_CPU = (8, 64, 2**19)
_ON_CUDA = (16, 1024, 2**26)


def chosen_batch_size(shape: tuple[int, int, int], device: str) -> int:
    """A power of two, for images of `shape` (channels, height, width) on "cpu" or "cuda".

    On a CPU the inputs of a batch take about half a MiB, so that they and what the layers make of
    them stay in its caches: on two cores that is 8 to 64 images. A GPU must be filled: 16 to 1,024
    images, whose inputs take up to 64 MiB.
    """
    least, most, input_bytes = _ON_CUDA if device == "cuda" else _ON_CPU
    channels, height, width = shape
    fitting = max(1, input_bytes // (4 * channels * height * width))
    return min(most, max(least, 1 << (fitting.bit_length() - 1)))


def fitting_batch_size(batch_size: int, ask: Callable[[int], object]) -> int:
    """`batch_size`, halved until `ask` answers for as many images without a MemoryError.

    Raises the MemoryError when not even one image fits.
    """
    while True:
        try:
            ask(batch_size)
        except MemoryError:
            if batch_size == 1:
                raise
            batch_size //= 2
        else:
            return batch_size
