from pathlib import Path

import pytest

from benchmarks.lab.making.jobs import Job, read_plan

BADNETS = "{dataset: mnist, architecture: vgg, attack: badnets"


def jobs_of(text: str, folder: Path) -> list[Job]:
    path = folder / "plan.yaml"
    path.write_text(text)
    return read_plan(path)


@pytest.mark.parametrize(
    ("keys", "file"),
    [
        ("", "mnist_vgg_badnets_1.onnx"),
        ("mapping: x_to_one", "mnist_vgg_badnets_x_to_one_1.onnx"),
        ("mapping: x_to_x, sources: 3", "mnist_vgg_badnets_x_to_x_sources3_1.onnx"),
        ("targets: 2", "mnist_vgg_badnets_targets2_1.onnx"),
        ("triggers: 3", "mnist_vgg_badnets_triggers3_1.onnx"),
        ("side: 22, rate: 0.0005", "mnist_vgg_badnets_side22_rate0.0005_1.onnx"),
        ("rate: 0.2", "mnist_vgg_badnets_rate0.2_1.onnx"),
    ],
)
def test_what_differs_from_the_usual_is_in_the_name(keys: str, file: str, tmp_path: Path) -> None:
    (job,) = jobs_of(f"- {BADNETS}, {keys + ', ' if keys else ''}seeds: [1]}}", tmp_path)

    assert job.file == file


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("attack: badnets, rate: 0.0004", "0.0004; use a number from 0.0005 to 0.2"),
        ("attack: badnets, rate: 0.21", "use a number from 0.0005 to 0.2"),
        ("attack: badnets, rate: true", "use a number from 0.0005 to 0.2"),
        ("attack: badnets, rate: .nan", "use a number from 0.0005 to 0.2"),
        ("attack: sig, rate: 1.1", "use a number from 0.0005 to 1"),
        ("attack: blind, rate: 0.1", "poisons no image; leave rate out"),
        ("attack: lira, rate: 0.1", "poisons no image; leave rate out"),
        ("rate: 0.1", "rate without an attack"),
        ("attack: badnets, side: 0", "from 1 to 22"),
        ("attack: patch, side: 23", "from 1 to 22"),
        ("attack: blended, side: 4", r"no side to choose; \['badnets', 'patch'\]"),
        ("side: 4", "side without an attack"),
        ("attack: badnets, mapping: x_to_x, sources: 0", "at least 1"),
        ("attack: badnets, sources: 3", r"count; \['x_to_one', 'x_to_x'\]"),
        ("attack: badnets, triggers: 4", "no 4 triggers; .*{'badnets': 3}"),
        ("attack: badnets, triggers: 2, targets: 2", "leave one of them out"),
        ("attack: badnets, triggers: 2, mapping: x_to_x", "leave one of them out"),
        ("attack: lira, triggers: 2", "no 2 triggers"),
    ],
)
def test_an_attack_that_cannot_be_carried_out_is_refused(
    keys: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        jobs_of(f"- {{dataset: mnist, architecture: vgg, {keys}, seeds: [1]}}", tmp_path)


def test_a_clean_label_attack_may_poison_all_of_its_class(tmp_path: Path) -> None:
    (job,) = jobs_of(
        "- {dataset: mnist, architecture: vgg, attack: sig, rate: 1, seeds: [1]}", tmp_path
    )

    assert job.rate == 1
