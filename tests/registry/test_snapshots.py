"""Keeping bytes in a real artifact store: a folder, which MLflow writes to as to any other."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from xray_gate.core.errors import ScanError
from xray_gate.registry.artifacts import MlflowArtifacts
from xray_gate.registry.snapshots import Snapshots
from xray_gate.scan.digest import model_digest

TRACKING = "http://127.0.0.1:9"


@pytest.fixture
def keep(tmp_path: Path) -> Snapshots:
    place = (tmp_path / "kept").as_uri()
    return Snapshots(place, TRACKING, MlflowArtifacts(TRACKING))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "data" / "weights.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "registered_model_meta").write_text("added by a download")
    return folder


def local(location: str) -> Path:
    return Path(location.removeprefix("file://"))


def test_a_folder_is_kept_under_its_digest(keep: Snapshots, model: Path, tmp_path: Path) -> None:
    digest = model_digest(model)
    kept = local(keep(model, digest))
    assert kept.parent == tmp_path / "kept" / digest.replace(":", "-")
    assert model_digest(kept) == digest
    files = sorted(f.relative_to(kept).as_posix() for f in kept.rglob("*") if f.is_file())
    # What a download added is no part of the model.
    assert files == ["MLmodel", "data/weights.bin"]


def test_a_single_file_keeps_its_name(keep: Snapshots, model: Path) -> None:
    weights = model / "data" / "weights.bin"
    kept = local(keep(weights, model_digest(weights)))
    assert kept.name == "weights.bin"
    assert kept.read_bytes() == weights.read_bytes()


def test_what_is_there_already_is_not_written_again(keep: Snapshots, model: Path) -> None:
    digest = model_digest(model)
    kept = local(keep(model, digest)) / "MLmodel"
    os.utime(kept, (1, 1))
    assert keep(model, digest) == kept.parent.as_uri()
    assert kept.stat().st_mtime == 1
    assert len(list(kept.parent.parent.iterdir())) == 1


def test_half_a_copy_counts_for_nobody_and_is_left_alone(keep: Snapshots, model: Path) -> None:
    """Who began it may still be writing, and a version may count on another one."""
    digest = model_digest(model)
    half = local(keep(model, digest))
    (half / "data" / "weights.bin").write_bytes(b"the power went off")
    whole = local(keep(model, digest))
    assert whole != half
    assert model_digest(whole) == digest
    assert (half / "data" / "weights.bin").read_bytes() == b"the power went off"
    assert local(keep(model, digest)) == whole


def test_a_file_has_copies_of_its_own_too(keep: Snapshots, model: Path) -> None:
    weights = model / "data" / "weights.bin"
    digest = model_digest(weights)
    half = local(keep(weights, digest))
    half.write_bytes(b"the power went off")
    whole = local(keep(weights, digest))
    assert whole.read_bytes() == weights.read_bytes()
    assert half.read_bytes() == b"the power went off"
    assert local(keep(weights, digest)) == whole


@pytest.mark.parametrize("name", ["python_model.pkl", "copy/python_model.pkl"])
def test_what_somebody_else_put_there_is_not_handed_out(
    keep: Snapshots, model: Path, tmp_path: Path, name: str
) -> None:
    digest = model_digest(model)
    foreign = tmp_path / "kept" / digest.replace(":", "-") / name
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"not scanned")
    assert model_digest(local(keep(model, digest))) == digest


def test_no_more_than_a_few_foreign_copies_are_read(model: Path, tmp_path: Path) -> None:
    """Else a thousand of them would keep a runner busy with one version."""
    digest = model_digest(model)
    read: list[str] = []
    real = MlflowArtifacts(TRACKING)

    def fetch(location: str) -> AbstractContextManager[Path]:
        read.append(location)
        return real(location)

    for number in range(30):
        foreign = tmp_path / "kept" / digest.replace(":", "-") / str(number)
        foreign.mkdir(parents=True)
        (foreign / "MLmodel").write_text("another model")
    kept = Snapshots((tmp_path / "kept").as_uri(), TRACKING, fetch)(model, digest)
    assert model_digest(local(kept)) == digest
    assert len(read) <= 9


def test_other_bytes_than_those_that_were_scanned_are_refused(keep: Snapshots, model: Path) -> None:
    """A model may change its own files while it is scanned."""
    digest = model_digest(model)
    (model / "MLmodel").write_text("flavors: {python_function: {}}")
    with pytest.raises(ScanError, match="are not those that were scanned"):
        keep(model, digest)


def test_a_place_that_nobody_can_write_to_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where a folder should be")
    keep = Snapshots((tmp_path / "kept").as_uri(), TRACKING, MlflowArtifacts(TRACKING))
    with pytest.raises(ScanError, match=r"could not be kept at file://.*--snapshots"):
        keep(model, model_digest(model))


def test_a_server_that_is_gone_is_no_crash(model: Path) -> None:
    keep = Snapshots("mlflow-artifacts:/kept", TRACKING, MlflowArtifacts(TRACKING))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(ScanError, match="could not be kept at mlflow-artifacts:/kept/sha256-"):
            keep(model, model_digest(model))
