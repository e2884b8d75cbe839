import numpy as np
import pytest

from xray_gate.backends.fit import DeclaredInput, Shape, check_channels, check_fit
from xray_gate.core.errors import ShapeMismatch
from xray_gate.probing.preprocessing import Layout, Preprocessing


@pytest.mark.parametrize(
    "declared",
    [
        DeclaredInput(),
        DeclaredInput((None, 3, None, None), None),
        DeclaredInput((8, 3, 6, 5), "float32"),
        DeclaredInput(None, "float64"),
    ],
)
def test_what_fits_or_is_not_declared_passes(declared: DeclaredInput) -> None:
    sample = np.zeros((1, 3, 6, 5), dtype=np.float32)
    check_fit(declared, sample, "nchw")


@pytest.mark.parametrize(
    ("shape", "layout", "remedy"),
    [
        ((None, 6, 5, 3), "nchw", r"\(n, 6, 5, 3\).*\(n, 3, 6, 5\); set .*layout: nhwc"),
        ((None, 3, 7, 7), "nchw", r"size: \[7, 7\]` \(height, width\)"),
        ((None, 1, 6, 5), "nchw", "as many channels as the model takes"),
        ((None, 784), "nchw", r"\(images, channels, height, width\)"),
        ((None, 3, 6, 5), "nhwc", "layout: nchw"),
        ((None, 7, 8, 3), "nhwc", r"size: \[7, 8\]"),
    ],
)
def test_the_remedy_is_the_setting_that_differs(shape: Shape, layout: Layout, remedy: str) -> None:
    sample = Preprocessing(layout=layout).apply(np.zeros((1, 3, 6, 5), dtype=np.float32))
    with pytest.raises(ShapeMismatch, match=remedy):
        check_fit(DeclaredInput(shape), sample, layout)


@pytest.mark.parametrize(
    ("wanted", "given", "remedy"),
    [
        ("uint8", "float32", "dtype: uint8` with `preprocessing.scale: 255"),
        ("float32", "uint8", "dtype: float32"),
        ("float16", "float32", "dtype: float16"),
        ("int64", "float32", "export the model"),
    ],
)
def test_types_are_never_narrowed_or_guessed(wanted: str, given: str, remedy: str) -> None:
    with pytest.raises(ShapeMismatch, match=f"takes {wanted}.* are {given}.*{remedy}"):
        check_fit(DeclaredInput(None, wanted), np.zeros((1, 3, 2, 2), dtype=given), "nchw")


def test_means_of_another_number_of_channels_are_refused() -> None:
    """NumPy would turn the grey probes into colour ones without a word."""
    check_channels(Preprocessing(mean=(0.5,), std=(0.1, 0.2, 0.3)), 3)
    with pytest.raises(ShapeMismatch, match=r"std has 3 values, but the probes have 1 channels"):
        check_channels(Preprocessing(std=(0.1, 0.2, 0.3)), 1)
