"""What fuzzing, and reading the readers with a fuzzer's eyes, has found: each stays mended."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fuzz.choosing import zipped
from tests.fuzz.kinds import kind
from tests.probing.making_training_data import LABELS, PNGS, write_npz, write_parquet
from tests.support.evidence import clean
from xray_gate.backends.formats import find_source
from xray_gate.core.errors import InputError, PolicyError, ScanError
from xray_gate.core.evidence import Evidence
from xray_gate.policy.files import read_policy
from xray_gate.probing.probe_files import read_probes
from xray_gate.probing.training_data import open_training_data
from xray_gate.probing.trigger_files import read_trigger
from xray_gate.scan.ports import FileRules
from xray_gate.static_checks.check import check_files

HEAD = "apiVersion: xray-gate/v1\nkind: Policy\nname: a\ndetectors: {trigger_sweep: {}}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('classes: !!int ""', r":1: cannot be read \(.*\); correct the YAML"),
        ('classes: !!int "_"', r":1: cannot be read \(.*\); correct the YAML"),
        ('max_age_days: !!float ""', r":1: cannot be read \(.*\); correct the YAML"),
        ('unsafe_unchecked_code: !!bool "x"', r":1: cannot be read \(.*\); correct the YAML"),
        ('description: !!timestamp "x"', r":1: cannot be read \(.*\); correct the YAML"),
        (f"classes: 0x{'f' * 6000}", ":5: holds a number of 6,002 digits; write a shorter one"),
        ('probes: "a\\0b"', ":5: holds a character that is none; write the text without"),
        ('description: "\\ud800"', ":5: holds a character that is none; write the text without"),
        ("class_names: &a [x, *a]", ":5: refers to itself; write out what is meant"),
    ],
)
def test_yaml_that_python_chokes_on_is_a_mistake_in_the_policy(
    line: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"{HEAD}{line}\n")
    with pytest.raises(PolicyError, match=said):
        read_policy(path)


def test_aliases_and_merges_stay_allowed(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        f"{HEAD}preprocessing: {{mean: &m [0.5, 0.5, 0.5], std: *m}}\n"
        "limits: {<<: {seconds: 5}, memory_mb: 100}\n"
    )
    document = read_policy(path).document
    assert document.preprocessing.std == [0.5, 0.5, 0.5]
    assert (document.limits.seconds, document.limits.memory_mb) == (5, 100)


def npy(values: Any) -> bytes:
    target = io.BytesIO()
    np.save(target, values)
    return target.getvalue()


TRIGGER = {
    "mask": npy(np.zeros((2, 3), np.float32)),
    "pattern": npy(np.zeros((1, 2, 3), np.float32)),
    "label": npy(np.int64(1)),
    "detector": npy(np.str_("b3d")),
    "scan_id": npy(np.str_("s")),
}
IMAGES = {"images": npy(np.zeros((3, 2, 2, 1), np.uint8)), "labels": npy(np.arange(3))}


@pytest.mark.parametrize(
    ("read", "members", "name"),
    [
        *((read_probes, IMAGES, name) for name in IMAGES),
        *((open_training_data, IMAGES, name) for name in IMAGES),
        *((read_trigger, TRIGGER, name) for name in TRIGGER),
    ],
)
def test_a_member_that_is_no_array_is_refused(
    read: Callable[[Path], object], members: dict[str, bytes], name: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.npz"
    sound = {f"{one}.npy": content for one, content in members.items()}
    path.write_bytes(zipped([*sound.items()]))
    read(path)
    path.write_bytes(zipped([*{**sound, f"{name}.npy": b"no array"}.items()]))
    with pytest.raises(InputError, match=r"cannot be read as .npz \(.*\); save it again"):
        read(path)


def test_honest_images_that_pack_well_are_read(tmp_path: Path) -> None:
    black = np.zeros((40, 1000, 1000, 1), np.uint8)
    path = tmp_path / "t.npz"
    np.savez_compressed(path, images=black, labels=np.arange(40) % 3)
    assert len(read_probes(path)) == 40
    larger = write_npz(tmp_path / "l.npz", np.repeat(black, 2, axis=0), np.arange(80) % 3)
    assert len(open_training_data(larger)) == 80


@pytest.mark.parametrize("read", [read_probes, open_training_data])
def test_a_column_that_stands_twice_is_refused(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    images, labels = pa.array(PNGS[:3], pa.binary()), pa.array([0, 1, 2])
    pq.write_table(pa.table([images, labels, labels], ["image.bytes", "label", "label"]), path)
    with pytest.raises(InputError, match=r"cannot be read as parquet \(.*; check that the file"):
        read(path)


def test_no_byte_of_a_parquet_footer_crashes_a_reader(tmp_path: Path) -> None:
    """Of its first half, which describes the columns and the first group of rows."""
    path = write_parquet(tmp_path / "t.parquet", PNGS[:9], LABELS[:9])
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    told = []
    for place in range(start, start + 600):
        mutated = bytearray(content)
        mutated[place] ^= 4
        path.write_bytes(mutated)
        try:
            open_training_data(path)
        except InputError as error:
            told.append(str(error))
    assert any("labels in" in text for text in told)
    assert any("cannot be read as parquet" in text for text in told)


def test_a_pickle_module_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {pytorch: {pickle_module_name: [pickle]}}\n")
    with pytest.raises(ScanError, match=r"is unpickled by \['pickle'\]; log the model"):
        check_files(tmp_path, FileRules())


def test_a_description_with_odd_types_names_no_flavour(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text('flavors: !!int ""\n')
    with pytest.raises(InputError, match="names no flavours; log the model again"):
        find_source(tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scan_id",), 1),
        (("seed",), "0"),
        (("seed",), True),
        (("obstacle",), ["a"]),
        (("environment",), []),
        (("model", "ref"), None),
        (("model", "files"), "a"),
        (("probes", "accuracy"), "1"),
        (("probes", "accuracy"), 10**400),
        (("probes", "count"), 1.5),
        (("detectors", 0, "statistics"), None),
        (("detectors", 0, "parameters"), [1]),
        (("detectors", 0, "reason"), 1),
        (("detectors", 0, "queries"), None),
        (("detectors", 0, "suspected_labels"), [{"label": "2", "share": 0.5}]),
        (("detectors", 0, "suspected_labels"), [{"label": 2, "share": None}]),
    ],
)
def test_evidence_of_other_types_is_none(path: tuple[Any, ...], value: Any) -> None:
    data = json.loads(json.dumps(clean().to_json()))
    assert Evidence.from_json(data) == Evidence.from_json(clean().to_json() | data)
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises((TypeError, ValueError), match="of the evidence is"):
        Evidence.from_json(data)


def test_a_probe_set_in_which_numbers_are_none_warns_of_nothing() -> None:
    """Signalling NaNs, which compare with a warning on some machines."""
    seed = kind("probes_npz").seeds()["floats"]
    at = seed.index(b"\n", seed.index(b"'shape': (5, 1"))
    kind("probes_npz").target(seed[: at + 1] + b"\1\0\xa0\x7f" * 20 + seed[at + 81 :])
