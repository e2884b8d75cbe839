from pathlib import Path

import pytest

from xray_gate.core.errors import InputError
from xray_gate.core.model_ref import ModelRef, parse_model_ref


@pytest.mark.parametrize(
    "text", ["model.onnx", "/models/a", "runs/7", "models", "a:b.onnx", "./models:/a/1", "x:/a"]
)
def test_anything_without_a_scheme_is_a_path(text: str) -> None:
    assert parse_model_ref(text) == ModelRef(text, path=Path(text))


@pytest.mark.parametrize("text", ["models:/signs/3", "models:/signs@champion", "runs:/abc/model"])
def test_addresses_of_mlflow_are_kept_as_they_are(text: str) -> None:
    assert parse_model_ref(text) == ModelRef(text, uri=text)


@pytest.mark.parametrize("text", ["https://example.org/m.onnx", "s3://bucket/m", "file:///m.onnx"])
def test_other_schemes_are_refused_with_what_can_be_given(text: str) -> None:
    scheme = text.partition(":")[0]
    with pytest.raises(InputError, match=f"the scheme '{scheme}' .*; give a file, .*models:/NAME"):
        parse_model_ref(text)
