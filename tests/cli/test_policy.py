from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.making import write_policy, write_probes, xray_gate
from tests.policy.builders import calibrated, calibration


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A policy without findings."""
    (tmp_path / "calibration.json").write_text(calibration().model_dump_json())
    write_probes(tmp_path / "probes.npz")
    return write_policy(
        tmp_path / "sound.yaml", calibrated(), probes="probes.npz", trigger_sweep={}
    )


def test_a_sound_policy_ends_with_0(sound: Path) -> None:
    ended = xray_gate("policy", "check", sound.name, folder=sound.parent)
    assert (ended.returncode, ended.stdout) == (0, "")
    *advice, last = ended.stderr.splitlines()
    assert [line.partition(": images: ")[0] for line in advice] == ["advice: sound.yaml"] * 2
    assert last == "no findings"


def test_a_weak_policy_ends_with_1_and_says_why(command: Command, sound: Path) -> None:
    write_policy(sound, None, enforcement="audit", probes="probes.npz", trigger_sweep={})
    ended = command("policy", "check", sound)
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "2 finding(s)"
    first, second = ended.out.splitlines()
    assert first.startswith(f"{sound}: images: enforcement is audit")
    assert second.startswith(f"{sound}: images: model_xray is required and has no thresholds")


def test_a_broken_policy_ends_with_1_and_does_not_hide_the_others(
    command: Command, sound: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(sound.read_text() + "enforcment: audit\nseed: 3\n")
    ended = command("policy", "check", broken, sound, tmp_path / "gone.yaml")
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == "3 finding(s)"
    first, second, third = ended.out.splitlines()
    assert first.startswith(f"{broken}:")
    assert "enforcment: is not a setting; did you mean `enforcement`?" in first
    assert "seed: is not a setting; allowed: apiVersion" in second
    assert third.startswith(f"{tmp_path / 'gone.yaml'}: there is no policy file")


def test_a_folder_is_checked_as_a_registry_reads_it(command: Command, sound: Path) -> None:
    assert command("policy", "check", sound.parent).code == 0
    write_policy(sound.parent / "twin.yaml", calibrated(), probes="probes.npz")
    ended = command("policy", "check", sound.parent)
    assert ended.code == 1
    assert "two policies are named 'images'; rename one" in ended.out


def test_nothing_to_check_is_a_usage_error(command: Command) -> None:
    ended = command("policy", "check")
    assert ended.code == 2
    assert "Missing argument" in ended.err


def test_a_policy_is_explained_in_words(command: Command, sound: Path) -> None:
    ended = command("policy", "explain", sound)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("images (sha256:")
    assert "Failed if any detector finds something, required or optional (rule any)." in ended.out


def test_every_policy_of_a_folder_is_explained(command: Command, sound: Path) -> None:
    write_policy(sound.parent / "other.yaml", calibrated(), probes="probes.npz", name="other")
    ended = command("policy", "explain", sound.parent)
    assert [text.split()[0] for text in ended.out.split("\n\n")] == ["other", "images"]


def test_a_broken_policy_cannot_be_explained(command: Command, sound: Path) -> None:
    sound.write_text(sound.read_text() + "decision: {rule: most}\n")
    ended = command("policy", "explain", sound)
    assert (ended.code, ended.out) == (2, "")
    assert "decision.rule: is 'most'; write 'any', 'all' or 'weighted'" in ended.err


def test_policies_of_a_folder_are_checked_against_each_other(command: Command, sound: Path) -> None:
    content = sound.read_text()
    (sound.parent / "other.yaml").write_text(content.replace("name: images", "name: other"))
    ended = command("policy", "check", sound.parent)
    assert ended.code == 1
    assert f"{sound.parent}: images: its 'signs*' and 'signs*' of other" in ended.out
    higher = content.replace("name: images", "name: other\nprecedence: 1")
    (sound.parent / "other.yaml").write_text(higher)
    ended = command("policy", "check", sound.parent)
    assert f"{sound.parent}: images: is never reached: all its names have other" in ended.out
