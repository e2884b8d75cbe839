from pathlib import Path

import pytest
import torch

from benchmarks.lab import gpu_recipe
from tests.benchmarks.lab.test_running import write_split


def test_it_says_how_accurate_a_network_became_and_how_fast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_split(tmp_path / "train.parquet", 192, 1)
    write_split(tmp_path / "test.parquet", 40, 2)
    command = ["--data", f"squares={tmp_path}", "--dataset", "squares", "--device", "cpu"]
    command += ["--architecture", "plain"]

    assert gpu_recipe.main([*command, "--at-least", "0.9"]) == 0
    told = capsys.readouterr().out
    assert "plain on squares, CPU" in told
    assert "of 40 test images right, 40 epochs of 192 images in" in told

    assert gpu_recipe.main([*command, "--at-least", "0.9", "--within", "0"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "cuda"], "PyTorch finds no GPU"),
        (["--dataset", "imagenet"], "no data set imagenet"),
    ],
)
def test_what_it_cannot_do_is_refused(
    words: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu_recipe.main(["--data-folder", str(tmp_path), *words])
    assert message in capsys.readouterr().err
