"""Keeping bytes in a real artifact store: a folder, which MLflow writes to as to any other."""

import os
from collections.abc import Callable
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
    assert kept == tmp_path / "kept" / digest.replace(":", "-")
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


def test_half_a_copy_is_made_whole(keep: Snapshots, model: Path) -> None:
    digest = model_digest(model)
    kept = local(keep(model, digest))
    (kept / "data" / "weights.bin").write_bytes(b"the power went off")
    (kept / "MLmodel").unlink()
    keep(model, digest)
    assert model_digest(kept) == digest


def somebody_was_there_before(model: Path, kept: Path) -> None:
    kept.mkdir(parents=True)
    (kept / "python_model.pkl").write_bytes(b"not scanned")


def it_changed_its_own_files(model: Path, kept: Path) -> None:
    (model / "MLmodel").write_text("flavors: {python_function: {}}")


@pytest.mark.parametrize("hostile", [somebody_was_there_before, it_changed_its_own_files])
def test_other_bytes_than_those_that_were_scanned_are_refused(
    keep: Snapshots, model: Path, tmp_path: Path, hostile: Callable[[Path, Path], None]
) -> None:
    digest = model_digest(model)
    hostile(model, tmp_path / "kept" / digest.replace(":", "-"))
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
