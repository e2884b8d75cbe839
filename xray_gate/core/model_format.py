"""The formats in which a model can be opened."""

from typing import Literal, get_args

Format = Literal["onnx", "torchscript", "pt2", "mlflow-pytorch", "mlflow-pyfunc"]
FORMATS: tuple[Format, ...] = get_args(Format)
