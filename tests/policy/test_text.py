"""Broken policies: each message names file, line, key and remedy."""

from pathlib import Path

import pytest

from xray_gate.core.errors import PolicyError
from xray_gate.policy.files import read_policy
from xray_gate.policy.text import parse_document

HEAD = "apiVersion: xray-gate/v1\nkind: Policy\nname: images\n"
XRAY = HEAD + "detectors:\n  model_xray:\n"
SWEEP = HEAD + "detectors:\n  trigger_sweep:\n"

BROKEN = {
    "unknown key at the top": (
        HEAD + "detectors: {model_xray: {}}\nenforcment: audit\n",
        [":5: enforcment: is not a setting; did you mean `enforcement`?"],
    ),
    "unknown key of a detector": (
        XRAY + "    seize: 10\n",
        [":6: detectors.model_xray.seize: is not a setting; did you mean `size`?"],
    ),
    "unknown key of thresholds from a calibration": (
        XRAY + "    thresholds:\n      calibration: c.json\n      statistics: [ats.valid]\n"
        "      levl: 0.1\n",
        [":9: detectors.model_xray.thresholds.levl: is not a setting; did you mean `level`?"],
    ),
    "unknown key of a fixed threshold": (
        XRAY + "    thresholds:\n      - statistic: ats.valid\n        bound: 0.1\n"
        "        source: a paper\n        suspicous: above\n",
        [
            ":10: detectors.model_xray.thresholds.0.suspicous: is not a setting; "
            "did you mean `suspicious`?"
        ],
    ),
    "unknown key like no other": (
        HEAD + "detectors: {model_xray: {}}\npreprocessing:\n  zzz: 1\n",
        [":6: preprocessing.zzz: is not a setting; allowed: scale, mean, std, layout, dtype, size"],
    ),
    "a setting called like no branch": (
        HEAD + "detectors: {model_xray: {}}\nfixed: 1\n",
        [":5: fixed: is not a setting; "],
    ),
    "misspelt detector": (
        HEAD + "detectors:\n  modelxray: {}\n",
        [":5: detectors.modelxray: is not a setting; did you mean `model_xray`?"],
    ),
    "a detector that is not part of the release": (
        HEAD + "detectors:\n  neural_cleanse: {}\n",
        [
            ":5: detectors.neural_cleanse: is not a setting; allowed: model_xray, trigger_sweep",
        ],
    ),
    "unknown key of the sweep": (
        SWEEP + "    querys: 10000\n",
        [":6: detectors.trigger_sweep.querys: is not a setting; did you mean `queries`?"],
    ),
    "a family that there is not": (
        SWEEP + "    families: [patch, sticker]\n",
        [":6: detectors.trigger_sweep.families.1: is 'sticker'; write 'patch', 'pixels', "],
    ),
    "one family, not in a list": (
        SWEEP + "    families: patch\n",
        [":6: detectors.trigger_sweep.families: is 'patch'; write a list, as [a, b]"],
    ),
    "no family": (
        SWEEP + "    families: []\n",
        [":6: detectors.trigger_sweep.families: is a list of 0, too short; give it at least 1"],
    ),
    "a family given twice": (
        SWEEP + "    families: [patch, warp, patch]\n",
        [":6: detectors.trigger_sweep.families: names a family twice; name each once"],
    ),
    "a sweep out of range": (
        SWEEP + "    queries: 7999\n    level: 0\n",
        [
            ":6: detectors.trigger_sweep.queries: is 7999; write a number of at least 8,000",
            ":7: detectors.trigger_sweep.level: is 0; write a number greater than 0",
        ],
    ),
    "a sweep out of range on the other side": (
        SWEEP + "    queries: 1000001\n    level: 1\n",
        [
            ":6: detectors.trigger_sweep.queries: is 1000001; write a number of at most 1,000,000",
            ":7: detectors.trigger_sweep.level: is 1; write a number less than 1",
        ],
    ),
    "a level that is no number": (
        SWEEP + "    level: .nan\n",
        [":6: detectors.trigger_sweep.level: is .nan; write a number"],
    ),
    "a detector named with nothing after it": (
        HEAD + "detectors:\n  model_xray: {}\n  trigger_sweep:\n",
        [":6: detectors.trigger_sweep: says nothing; write `{}` after it for the usual settings"],
    ),
    "no detector at all": (
        HEAD + "detectors: {}\n",
        [
            ":4: the policy: no detector is required, so nothing could ever justify a pass; "
            "set detectors.trigger_sweep.mode to required"
        ],
    ),
    "all detectors optional": (
        HEAD + "detectors:\n  model_xray: {mode: optional}\n  trigger_sweep: {mode: optional}\n",
        ["no detector is required", "set detectors.trigger_sweep.mode to required"],
    ),
    "missing keys": (
        "name: images\ndetectors: {model_xray: {}}\n",
        [":1: apiVersion: is missing; add it", ":1: kind: is missing; add it"],
    ),
    "missing key deep down": (
        XRAY + "    thresholds:\n      - {statistic: ats.valid, bound: 0.1}\n",
        [":7: detectors.model_xray.thresholds.0.source: is missing; add it"],
    ),
    "wrong apiVersion": (
        "apiVersion: xray-gate/v2\nkind: Policy\nname: a\ndetectors: {model_xray: {}}\n",
        [":1: apiVersion: is 'xray-gate/v2'; write 'xray-gate/v1'"],
    ),
    "wrong kind": (
        "apiVersion: xray-gate/v1\nkind: Polizei\nname: a\ndetectors: {model_xray: {}}\n",
        [":2: kind: is 'Polizei'; write 'Policy'"],
    ),
    "wrong type": (
        XRAY + "    planes: many\n",
        [":6: detectors.model_xray.planes: is 'many'; write a whole number"],
    ),
    "nothing where a mapping belongs": (
        HEAD + "detectors:\n",
        [":4: detectors: is not a mapping; write its settings below it, indented"],
    ),
    "text where thresholds belong": (
        XRAY + "    thresholds: paper\n",
        [
            ":6: detectors.model_xray.thresholds: is neither a mapping with `calibration` "
            "nor a list of bounds"
        ],
    ),
    "training data that are neither": (
        HEAD + "training_data: [a.npz]\ndetectors: {model_xray: {}}\n",
        [":4: training_data: is neither a path nor the mapping {from: model_run}"],
    ),
    "training data from elsewhere": (
        HEAD + "training_data: {from: hub}\ndetectors: {model_xray: {}}\n",
        [":4: training_data.from: is 'hub'; write 'model_run'"],
    ),
    "training data by a path in a mapping": (
        HEAD + "training_data: {path: a.npz}\ndetectors: {model_xray: {}}\n",
        [
            ":4: training_data.from: is missing; add it",
            ":4: training_data.path: is not a setting; allowed: from",
        ],
    ),
    "out of range": (
        XRAY + "    size: 1\n    cap: 1.5\n",
        [
            ":6: detectors.model_xray.size: is 1; write a number of at least 2",
            ":7: detectors.model_xray.cap: is 1.5; write a number of at most 1",
        ],
    ),
    "a bound that is no number": (
        XRAY + "    thresholds:\n      - {statistic: ats.valid, bound: .nan, source: x}\n",
        [":7: detectors.model_xray.thresholds.0.bound: is .nan; write a number that is finite"],
    ),
    "an accuracy that YAML 1.1 would read as false": (
        HEAD + "min_probe_accuracy: no\ndetectors: {model_xray: {}}\n",
        [":4: min_probe_accuracy: is 'no'; write a number"],
    ),
    "an enforcement that there is not": (
        HEAD + "enforcement: none\ndetectors: {model_xray: {}}\n",
        [":4: enforcement: is 'none'; write 'enforce', 'warn', 'audit' or 'off'"],
    ),
    "unknown statistic": (
        XRAY + "    thresholds:\n      calibration: c.json\n      statistics: [entropy.valid]\n",
        [":8: detectors.model_xray.thresholds.statistics.0: is no statistic; write one of renyi_"],
    ),
    "no statistic": (
        XRAY + "    thresholds:\n      calibration: c.json\n      statistics: []\n",
        [":8: detectors.model_xray.thresholds.statistics: is a list of 0, too short; give"],
    ),
    "threshold for a range that is not measured": (
        XRAY + "    pixel_ranges: [valid]\n    thresholds:\n"
        "      - {statistic: ats.unclipped, bound: 0.1, source: x}\n",
        [
            ":5: detectors.model_xray: a threshold is set for ats.unclipped, but that pixel range "
            "is not measured; add it to pixel_ranges (now valid)"
        ],
    ),
    "calibrated threshold for a range that is not measured": (
        XRAY + "    pixel_ranges: [unclipped]\n    thresholds:\n      calibration: c.json\n"
        "      statistics: [ats.unclipped]\n      suspicious: {ats.valid: both}\n",
        ["a threshold is set for ats.valid, but that pixel range is not measured; add it"],
    ),
    "a range given twice": (
        XRAY + "    pixel_ranges: [valid, valid]\n",
        [":5: detectors.model_xray: pixel_ranges names a range twice; name each once"],
    ),
    "empty match": (
        HEAD + "match:\n  registered_models: []\ndetectors: {model_xray: {}}\n",
        [":5: match.registered_models: is a list of 0, too short; give it"],
    ),
    "the only detector off": (
        XRAY + "    mode: off\n",
        [
            ":4: the policy: no detector is required, so nothing could ever justify a pass; "
            "set detectors.trigger_sweep.mode to required"
        ],
    ),
    "the only detector off, in quotes": (
        XRAY + '    mode: "off"\n',
        [":4: the policy: no detector is required, so nothing could ever justify a pass; "],
    ),
    "the only detector optional": (
        XRAY + "    mode: optional\n",
        ["no detector is required", "set detectors.trigger_sweep.mode to required"],
    ),
    "duplicate key": (
        HEAD + "enforcement: enforce\ndetectors: {model_xray: {}}\nenforcement: audit\n",
        [":6: the key 'enforcement' is given twice; correct the YAML"],
    ),
    "duplicate key deep down": (
        XRAY + "    size: 10\n    planes: 2\n    size: 20\n",
        [":8: the key 'size' is given twice; correct the YAML"],
    ),
    "bad YAML": (HEAD + "match: [\n", [":5: expected the node content", "; correct the YAML"]),
    "tab": (
        HEAD + "detectors:\n\tmodel_xray: {}\n",
        [":5: found character '\\t' that cannot start any token; correct the YAML"],
    ),
    "a Python object": (
        HEAD + "description: !!python/object:os.system {}\n",
        [":4: could not determine a constructor for the tag", "; correct the YAML"],
    ),
    "two documents": (
        HEAD + "---\nname: b\n",
        [":4: expected a single document in the stream, but found another document; correct"],
    ),
    "a list as a key": ("? [a, b]\n: c\n", [":1: found unhashable key; correct the YAML"]),
    "a number as a key": (
        HEAD + "detectors: {model_xray: {}}\n1: x\n",
        [":5: 1: Keys should be strings"],
    ),
    "nested without end": ("a: " + "[" * 5000, [":1: cannot be read (", "; correct the YAML"]),
    "empty": ("", [":1: a policy is a mapping that begins with `apiVersion:`"]),
    "list": ("- name: a\n", [":1: a policy is a mapping that begins with `apiVersion:`"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_policy_is_named_with_file_line_key_and_remedy(case: str, tmp_path: Path) -> None:
    text, expected = BROKEN[case]
    path = tmp_path / "images.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        read_policy(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines), lines
    for part in expected:
        assert any(part in line.removeprefix(str(path)) for line in lines), lines
    found = [part for part in expected if part.startswith(":")]
    assert len(lines) == max(1, len(found)), "one line for each mistake, and no more"


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_bytes(HEAD.encode() + b"description: \xff\xfe\n")
    with pytest.raises(PolicyError, match=r"images\.yaml: is not UTF-8 text; save it as UTF-8"):
        read_policy(path)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_what_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"cannot be read \(.*\); check the path"):
        read_policy(tmp_path / name)


def test_words_of_older_yaml_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(
        HEAD.replace("images", "2026-13-45")
        + "class_names: [yes, no, on, off, 2026-01-01]\n"
        + "promotion: {copies: false}\nunsafe_allow_unscanned_reads: true\n"
        + "detectors: {model_xray: {}}\n"
    )
    document = parse_document(path)
    assert document.name == "2026-13-45"
    assert document.class_names == ["yes", "no", "on", "off", "2026-01-01"]
    assert document.promotion.copies is False
    assert document.unsafe_allow_unscanned_reads is True


def test_aliases_and_merged_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(HEAD + "detectors: {model_xray: &x {}}\npreprocessing: {<<: *x, scale: 255}\n")
    assert parse_document(path).preprocessing.scale == 255.0
