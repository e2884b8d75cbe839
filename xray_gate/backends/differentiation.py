"""Gradients of a PyTorch module, by automatic differentiation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xray_gate.backends.interface import clipped, speaks_of_memory
from xray_gate.core.errors import NoGradients, XrayGateError
from xray_gate.probing.batches import FloatArray

Array = npt.NDArray[Any]

# Further from 0 and 1 single precision does not tell probabilities apart.
_EDGE = 1e-7


@dataclass(frozen=True)
class TorchModule:
    """`scores` picks the tensor of scores in what `module` returns."""

    module: Any
    device: Any
    scores: Callable[[Any], Any]

    def slopes(self, inputs: Array, label: int, normalised: bool) -> tuple[Array, FloatArray]:
        """As `interface.Differentiable` says."""
        import torch

        try:
            # A copy: what was made for inference cannot be differentiated.
            given = torch.tensor(inputs, device=self.device, requires_grad=True)
            with torch.enable_grad():
                raw = self.scores(self.module(given))
                odds = _log_odds(torch, raw.flatten(1), label, normalised)
                (slopes,) = torch.autograd.grad(odds.sum(), given)
        except XrayGateError:
            raise
        except Exception as error:
            if isinstance(error, MemoryError) or speaks_of_memory(str(error)):
                raise MemoryError(str(error)) from error
            raise NoGradients(
                f"the model cannot be differentiated ({type(error).__name__}: {clipped(error)}); "
                "set `patches_by: queries`, or give it in a format of PyTorch"
            ) from error
        return raw.detach().float().cpu().numpy(), np.asarray(slopes.float().cpu(), np.float32)


def as_constants(module: Any) -> Any:
    """`module`, whose own parameters need no gradients; that is half of the work."""
    for weights in module.parameters() if hasattr(module, "parameters") else ():
        weights.requires_grad_(False)
    return module


def _log_odds(torch: Any, scores: Any, label: int, normalised: bool) -> Any:
    """log(p / (1 - p)) of a label for each row; of scores without going through p, which rounds."""
    scores = scores.float()
    if normalised:
        chances = scores[:, label].clamp(_EDGE, 1 - _EDGE)
        return torch.log(chances) - torch.log1p(-chances)
    others = torch.cat([scores[:, :label], scores[:, label + 1 :]], dim=1)
    return scores[:, label] - torch.logsumexp(others, dim=1)
