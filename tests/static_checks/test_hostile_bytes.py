"""Whatever the bytes, the look ends soon, with nothing or with a refusal."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.tiny_torch import Brightest
from tests.static_checks.corpus.exports import program, script
from tests.static_checks.corpus.making import runs, torch_archive, zipped
from tests.static_checks.corpus.onnx_files import honest
from xray_gate.core.errors import InputError, ScanError
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.check import check_files

RULES = FileRules(size_bytes=2**24)


def _saved() -> bytes:
    target = io.BytesIO()
    torch.save(Brightest().state_dict(), target)
    return target.getvalue()


def _arrays() -> bytes:
    target = io.BytesIO()
    np.savez_compressed(target, x=np.zeros(50), y=np.arange(3))
    return target.getvalue()


VALID = {
    "m.onnx": honest().SerializeToString(),
    "m.pth": _saved(),
    "m.pkl": runs("pass", 0),
    "m.bin": runs("pass", 4),
    "m.npz": _arrays(),
    "m.pt2": program()(""),
    "m.pt": script(b"def forward(self): pass\n"),
    "x.pt": zipped({"m/data.pkl": bytes(500), "m/version": b"3"}, zipfile.ZIP_DEFLATED),
    "MLmodel": b"flavors: {pytorch: {model_data: data, code: null}}\n",
    "m.safetensors": b"\x02" + bytes(7) + b"{}",
    "y.pt": torch_archive(),
}


def looked_at(folder: Path, name: str, data: bytes) -> None:
    path = folder / "model"
    path.mkdir(exist_ok=True)
    for file in path.iterdir():
        file.unlink()
    (path / name).write_bytes(data)
    try:
        check_files(path, RULES)
        return
    except (ScanError, InputError) as error:
        message = str(error)
    assert message.isprintable()
    assert "; " in message


@pytest.mark.parametrize("name", VALID)
def test_mutations_end_with_nothing_or_a_refusal(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mutations")
    valid = VALID[name]

    @settings(max_examples=150, deadline=1000)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(valid)), st.integers(0, 8), st.binary(max_size=8)),
            min_size=1,
            max_size=4,
        )
    )
    def mutate(changes: list[tuple[int, int, bytes]]) -> None:
        data = valid
        for at, length, new in changes:
            data = data[:at] + new + data[at + length :]
        looked_at(folder, name, data)

    mutate()


@pytest.mark.parametrize("name", ["m.onnx", "m.pkl", "m", "m.npy", "m.safetensors", "MLmodel"])
def test_random_bytes_end_with_nothing_or_a_refusal(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    starts = [b"", b"PK\x03\x04", b"\x80\x04", b"\x93NUMPY\x01\x00", b"\x78\x9c", b"\x1f\x8b\x08"]

    @settings(max_examples=150, deadline=1000)
    @given(st.sampled_from(starts), st.binary(max_size=300))
    def look(start: bytes, rest: bytes) -> None:
        looked_at(folder, name, start + rest)

    look()
