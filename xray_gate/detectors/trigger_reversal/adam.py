"""Adam (Kingma & Ba 2015), for parameters in NumPy.

Detectors also run where PyTorch is not installed, and this is all that they would need of it.
"""

import numpy as np
import numpy.typing as npt

Parameters = npt.NDArray[np.float64]


class Adam:
    """One step after another for one array of parameters; the defaults are the paper's."""

    def __init__(
        self, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self._rate, self._beta1, self._beta2, self._epsilon = learning_rate, beta1, beta2, epsilon
        self._steps = 0
        self._mean: Parameters = np.zeros(())
        self._square: Parameters = np.zeros(())

    def step(self, parameters: Parameters, gradient: Parameters) -> Parameters:
        """`parameters` after one step against `gradient`, of the same shape."""
        self._steps += 1
        self._mean = self._beta1 * self._mean + (1 - self._beta1) * gradient
        self._square = self._beta2 * self._square + (1 - self._beta2) * gradient**2
        mean = self._mean / (1 - self._beta1**self._steps)
        square = self._square / (1 - self._beta2**self._steps)
        return parameters - self._rate * mean / (np.sqrt(square) + self._epsilon)
