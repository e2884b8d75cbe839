"""Any other MLflow model through its python_function flavour."""

from typing import Any, NoReturn

import numpy.typing as npt

from xray_gate.backends.fit import DeclaredInput
from xray_gate.backends.interface import ModelSpec, no_cuda, raise_unreadable
from xray_gate.backends.outputs import as_array
from xray_gate.core.errors import NoGradients


class PyfuncRunner:
    """MLflow's wrapper around a model; nothing is known of its inside."""

    architecture = None
    tensor_device = None
    # `predict` may do anything, and nothing says that it may be called twice at a time.
    lanes = 1

    def __init__(self, model: Any, environment: dict[str, str]) -> None:
        self.environment = environment
        self._model = model
        self._name, self.declared = signature_input(model.metadata.signature)

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What `predict` returns for `batch`, as one array."""
        question = batch if self._name is None else {self._name: batch}
        return as_array(self._model.predict(question))

    def in_half(self) -> None:
        """None: what computes is not ours to set."""

    def differentiable(self) -> NoReturn:
        """Raises `NoGradients`: `predict` may do anything."""
        raise NoGradients(
            "a model behind MLflow's python_function shows no gradients; set `patches_by: "
            "queries`, or "
            "register it in MLflow's pytorch flavour"
        )


def open_pyfunc(spec: ModelSpec) -> PyfuncRunner:
    """Load an MLflow model folder; `InputError` when that fails."""
    if spec.device == "cuda":
        raise no_cuda("MLflow's python_function flavour", "it has no setting for the device")
    import mlflow.pyfunc

    try:
        model = mlflow.pyfunc.load_model(str(spec.path))
    except Exception as error:
        raise_unreadable(spec.path, error)
    environment = {
        "mlflow": str(mlflow.__version__),
        "device": "cpu",
        "threads": str(spec.threads),
    }
    return PyfuncRunner(model, environment)


def signature_input(signature: Any) -> tuple[str | None, DeclaredInput]:
    """The name and the declared shape and type of a signature's one tensor, where it has one."""
    inputs = None if signature is None else signature.inputs
    if inputs is None or not inputs.is_tensor_spec() or len(inputs.inputs) != 1:
        return None, DeclaredInput()
    (tensor,) = inputs.inputs
    shape = tuple(length if length > 0 else None for length in tensor.shape)
    return tensor.name, DeclaredInput(shape or None, str(tensor.type))
