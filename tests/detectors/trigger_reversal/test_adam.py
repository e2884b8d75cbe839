import numpy as np
import pytest
import torch

from xray_gate.detectors.trigger_reversal.adam import Adam


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_steps_are_those_of_torch(rate: float) -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal((3, 4))
    theirs = torch.tensor(start, requires_grad=True)
    optimiser = torch.optim.Adam([theirs], lr=rate)
    adam, ours = Adam(rate), start
    for _ in range(25):
        gradient = rng.standard_normal((3, 4))
        theirs.grad = torch.tensor(gradient)
        optimiser.step()
        ours = adam.step(ours, gradient)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9)


def test_the_parameters_given_are_not_changed() -> None:
    start = np.ones(3)
    after = Adam(0.1).step(start, np.ones(3))
    assert (start == 1).all()
    assert (after < 1).all()
