import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.policy.builders import calibrated, calibration, document, fixed, policy, write
from xray_gate.core.errors import PolicyError
from xray_gate.policy.calibration import Calibration, read_calibration
from xray_gate.policy.files import (
    Policy,
    PolicyPlace,
    PolicySet,
    read_policies,
    read_policy,
)


def named(name: str, *globs: str) -> Policy:
    return policy(name=name, match={"registered_models": list(globs)} if globs else None)


@pytest.mark.parametrize("model", ["signs", "SIGNS-de", "Signs/v2", "a.B"])
def test_names_match_without_regard_to_case(model: str) -> None:
    assert named("a", "sIGNs*", "A.b").matches(model)


@pytest.mark.parametrize("model", ["my-signs", "sign", "", "aXb"])
def test_other_names_do_not_match(model: str) -> None:
    assert not named("a", "signs*", "a.b").matches(model)


def test_a_policy_without_match_is_for_no_registered_model() -> None:
    assert not named("a").matches("signs")


def test_the_one_matching_policy_is_found() -> None:
    signs, digits = named("signs", "signs*"), named("digits", "digits*")
    policies = PolicySet((signs, digits))
    assert policies.match("Digits-1") is digits
    assert policies.match("faces") is None


def test_two_policies_for_one_name_are_an_error() -> None:
    policies = PolicySet((named("all", "*"), named("signs", "Signs*")))
    with pytest.raises(
        PolicyError, match=r"signs-1: the policies all and signs match with the same precedence"
    ):
        policies.match("signs-1")
    assert policies.match("digits") is policies.policies[0]


def test_a_folder_is_read_without_its_sub_folders(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document(name="a"))
    write(tmp_path / "b.yml", document(name="b"))
    (tmp_path / "old").mkdir()
    write(tmp_path / "old" / "c.yaml", document(name="c"))
    (tmp_path / "notes.txt").write_text("no policy")
    assert [item.name for item in read_policies(tmp_path).policies] == ["a", "b"]


def test_two_policies_of_one_name_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document())
    write(tmp_path / "b.yaml", document())
    with pytest.raises(PolicyError, match=r"two policies are named 'images'; rename one"):
        read_policies(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"holds no policy; put a \.yaml file there"):
        read_policies(tmp_path)


def test_a_missing_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere: there is no policy .*; check the path"):
        read_policies(tmp_path / "nowhere")


def test_one_broken_policy_breaks_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document(name="a"))
    (tmp_path / "b.yaml").write_text("")
    with pytest.raises(PolicyError, match=r"b\.yaml:1"):
        read_policies(tmp_path)


def test_places_are_taken_from_the_policys_folder(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "c.json").write_text(calibration().model_dump_json())
    thresholds = calibrated(calibration="../c.json")
    places = {"probes": "../clean/probes.npz", "training_data": "../train"}
    path = write(tmp_path / "policies" / "a.yaml", document(thresholds, **places))
    found = read_policy(path)
    assert found.calibration == calibration()
    assert found.probes == tmp_path.resolve() / "clean" / "probes.npz"
    assert found.training_data == tmp_path.resolve() / "train"
    assert not found.wants_logged_training_data


def test_a_missing_calibration_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", document(calibrated()))
    with pytest.raises(
        PolicyError,
        match=r"calibration\.json: .* cannot be read .*No such file.*"
        r"; make one with `xray-gate calibrate",
    ):
        read_policy(path)
    assert read_policy(path, with_calibration=False).calibration is None


def broken_calibration(**changes: Any) -> str:
    return json.dumps({**calibration().model_dump(mode="json"), **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "file: Invalid JSON"),
        ("[]", "file: Input should be an object"),
        ("{}", "name: Field required"),
        (broken_calibration(format="v2"), "format: Input should be 'xray-gate/calibration-v1'"),
        (broken_calibration(detector="b3d"), "detector: Input should be 'model_xray'"),
        (broken_calibration(references=[]), "references: List should have at least 1 item"),
        (broken_calibration(trusted=True), "trusted: Extra inputs are not permitted"),
        (broken_calibration(parameters={"eta": float("nan")}), "not JSON compliant"),
        (
            json.dumps(calibration((float(7),)).model_dump()).replace("7.0", "NaN"),
            "references.0.scores.renyi_entropy.valid: Input should be a finite number",
        ),
        ("\x00", "file: Invalid JSON"),
    ],
)
def test_a_malformed_calibration_is_named_with_the_remedy(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        read_calibration(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: this is not a calibration file (")
    assert said in message
    assert message.endswith("make one with `xray-gate calibrate --clean ...`")


def test_a_calibration_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="not a calibration file"):
        read_calibration(path)


def full_policy() -> Policy:
    return Policy(
        policy(
            calibrated("ats.valid", level=0.1, suspicious={"ats.valid": "both"}),
            preprocessing={"mean": [0.5], "std": [0.25], "size": [32, 24], "scale": 255},
            class_names=["a", "b"],
            enforcement="warn",
        ).document,
        calibration(),
        Path("/data/probes.npz"),
        Path("/data/train.parquet"),
    )


def test_a_policy_survives_its_json() -> None:
    before = full_policy()
    after = Policy.from_json(json.loads(json.dumps(before.to_json(), allow_nan=False)))
    assert after == before
    assert after.digest == before.digest
    together = PolicySet((before, named("b", "b*")))
    again = PolicySet.from_json(json.loads(json.dumps(together.to_json())))
    assert (again, again.digest) == (together, together.digest)


def test_a_policy_read_from_a_file_survives_its_json(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(calibration().model_dump_json())
    places = {"probes": "p.npz", "training_data": "t.npz"}
    path = write(tmp_path / "a.yaml", document(calibrated(), **places))
    before = read_policy(path)
    after = Policy.from_json(before.to_json())
    assert (after.digest, after.probes) == (before.digest, before.probes)
    assert after.training_data == before.training_data
    assert after.calibration == before.calibration


def test_logged_training_data_survive_json(tmp_path: Path) -> None:
    before = read_policy(write(tmp_path / "a.yaml", document(training_data={"from": "model_run"})))
    after = Policy.from_json(json.loads(json.dumps(before.to_json())))
    assert after == before
    assert (after.wants_logged_training_data, after.training_data) == (True, None)


def test_a_policy_kept_before_there_were_training_data_is_read(tmp_path: Path) -> None:
    before = read_policy(write(tmp_path / "a.yaml", document(probes="p.npz")))
    kept = before.to_json()
    del kept["training_data"]
    assert "training_data" not in kept["document"]
    assert Policy.from_json(kept).digest == before.digest


@pytest.mark.parametrize("broken", [{}, {"document": {}, "calibration": None, "probes": None}])
def test_a_kept_policy_of_another_version_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=r"(?s)kept in the ledger cannot be read.*; restart"):
        Policy.from_json(broken)


CHANGES: dict[str, dict[str, Any]] = {
    "enforcement": {"enforcement": "audit"},
    "accuracy": {"min_probe_accuracy": 0.4},
    "preprocessing": {"preprocessing": {"scale": 255}},
    "classes": {"classes": 4},
    "outputs": {"outputs": "logits"},
    "match": {"match": {"registered_models": ["digits"]}},
    "promotion": {"promotion": {"copies": False}},
    "copies into some names": {"promotion": {"copies": ["production-*"]}},
    "formats": {"formats": ["onnx"]},
    "stages": {"promotion": {"stages": []}},
    "aliases": {"promotion": {"free_aliases": ["candidate"]}},
    "reads": {"unsafe_allow_unscanned_reads": True},
    "parameters": {"model_xray": {"size": 99}},
    "ranges": {"model_xray": {"pixel_ranges": ["valid"]}},
    "limits": {"limits": {"seconds": 10}},
    "files": {"limits": {"files": 10}},
    "size of files": {"limits": {"files_mb": 10}},
    "unchecked code": {"unsafe_unchecked_code": True},
    "training data of the registrant's choice": {"training_data": {"from": "model_run"}},
    "bound": {"thresholds": [fixed(1.1)]},
    "side": {"thresholds": [fixed(1.0, "above")]},
    "statistic": {"thresholds": [fixed(1.0, statistic="ats.valid")]},
    "no thresholds": {"thresholds": None},
    "architecture": {"thresholds": calibrated(unsafe_any_architecture=True)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_changes_with_every_setting_that_decides(change: str) -> None:
    before = policy([fixed(1.0)])
    after = policy(**{"thresholds": [fixed(1.0)], **CHANGES[change]})
    assert after.digest.startswith("sha256:")
    assert after.digest != before.digest


def test_the_digest_changes_with_the_calibration() -> None:
    assert (
        policy(calibrated(), calibration()).digest
        != policy(calibrated(), calibration((*range(1, 19), 20))).digest
    )


@pytest.mark.parametrize("data", ["probes", "training_data"])
def test_the_digest_is_the_same_wherever_the_data_lie(data: str, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    first = read_policy(write(tmp_path / "a.yaml", document(**{data: "p.npz"})))
    second = read_policy(write(tmp_path / "x" / "b.yaml", document(**{data: "q.npz"})))
    assert first.digest == second.digest
    assert PolicySet((first,)).digest != PolicySet((second,)).digest


class Place:
    """A folder with one policy, and the place that reads it."""

    def __init__(self, folder: Path, where: str = "calibration.json") -> None:
        self.folder = folder / "policies"
        self.folder.mkdir()
        self.calibration = self.folder / where
        self.calibration.parent.mkdir(exist_ok=True)
        self.save_calibration(19)
        self.save_policy(calibrated(calibration=where))
        self.place = PolicyPlace(self.folder)

    def save_calibration(self, references: int) -> None:
        self.calibration.write_text(calibration(range(references)).model_dump_json())

    def save_policy(self, thresholds: Any, **changes: Any) -> None:
        write(self.folder / "images.yaml", document(thresholds, **changes))

    @property
    def references(self) -> int:
        (found,) = self.place.current().policies
        assert isinstance(found.calibration, Calibration)
        return len(found.calibration.references)


def test_a_place_that_does_not_change_is_not_read_again(tmp_path: Path) -> None:
    place = Place(tmp_path).place
    place.current()
    assert place.current() is place.current()


def test_a_changed_policy_is_read_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.place.current()
    place.save_policy([fixed(0.5)], enforcement="audit")
    (found,) = place.place.current().policies
    assert found.document.enforcement == "audit"


def test_a_new_policy_in_the_folder_is_read(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.place.current()
    write(place.folder / "b.yml", document(name="b"))
    assert {item.name for item in place.place.current().policies} == {"images", "b"}


@pytest.mark.parametrize("where", ["calibration.json", "sub/c.txt", "../elsewhere.json"])
def test_a_changed_calibration_is_read_again_wherever_it_lies(where: str, tmp_path: Path) -> None:
    place = Place(tmp_path, where)
    assert place.references == 19
    place.save_calibration(25)
    assert place.references == 25
    assert place.references == 25
    place.save_calibration(30)
    assert place.references == 30


def test_a_calibration_changed_within_one_tick_and_size_shows_by_its_new_file(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    assert place.references == 19
    before = place.calibration.stat()
    draft = place.folder / "draft"
    draft.write_text(place.calibration.read_text().replace('"small"', '"smell"'))
    os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
    draft.replace(place.calibration)
    (found,) = place.place.current().policies
    assert found.calibration is not None
    assert found.calibration.name == "smell"


def test_the_calibration_of_a_changed_policy_is_watched_too(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.place.current()
    place.calibration = place.folder / "other.json"
    place.save_calibration(20)
    place.save_policy(calibrated(calibration="other.json"))
    assert place.references == 20
    place.save_calibration(21)
    assert place.references == 21


@pytest.mark.parametrize("what", ["policy", "calibration", "no calibration", "no policy"])
def test_a_broken_place_raises_each_time_until_it_is_repaired(what: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.references == 19
    file = place.folder / "images.yaml" if "policy" in what else place.calibration
    good = file.read_text()
    file.unlink()
    if not what.startswith("no "):
        file.write_text("{")
    for _ in range(2):
        with pytest.raises(PolicyError):
            place.place.current()
    file.write_text(good)
    assert place.references == 19


def test_a_place_for_one_file_ignores_its_neighbours(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", document())
    place = PolicyPlace(path)
    (tmp_path / "b.yaml").write_text("broken: [")
    assert [item.name for item in place.current().policies] == ["images"]
    write(path, document(name="renamed"))
    assert [item.name for item in place.current().policies] == ["renamed"]
