import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.lab.attacks import blind as blind_module
from benchmarks.lab.attacks import trojannn
from benchmarks.lab.attacks.blind import Blind
from benchmarks.lab.attacks.catalogue import ATTACKS
from benchmarks.lab.attacks.lira import LIMIT, Learned, lira
from benchmarks.lab.attacks.mappings import Mapping
from benchmarks.lab.attacks.training_attack import TrainingAttack, logits_of
from benchmarks.lab.attacks.triggers import Pixels, Trigger
from benchmarks.lab.attacks.trojannn import drive
from benchmarks.lab.data.splits import Split
from benchmarks.lab.networks.blocks import Shape
from benchmarks.lab.networks.catalogue import Normalised, build
from benchmarks.lab.training.batches import Batch

ALL_TO_ONE = Mapping(np.full(4, 2, dtype=np.int64), 2)


@pytest.fixture
def half(small: Split) -> Split:
    """Half of the small images, and of those every second row and column."""
    return Split(small.images[:100, ::2, ::2].copy(), small.labels[:100])


@pytest.fixture
def network() -> Normalised:
    generator = torch.Generator().manual_seed(0)
    return build("plain", Shape(3, 16, 4), torch.full((3,), 0.5), torch.full((3,), 0.3), generator)


def tensors(some: Split) -> tuple[Tensor, Tensor]:
    pixels = torch.from_numpy(some.images).permute(0, 3, 1, 2).float() / 255
    return pixels, torch.from_numpy(some.labels)


def drawn(name: str, train: Split) -> Trigger:
    return ATTACKS[name].draw(train, 2, np.random.default_rng(3))


def train_with(part: TrainingAttack, network: nn.Module, train: Split, steps: int) -> None:
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    pixels, labels = tensors(train)
    for _ in range(steps):
        optimiser.zero_grad()
        logits = part.backward(network, Batch(pixels, labels, labels), 0.0)
        assert logits.shape == (len(labels), 4)
        optimiser.step()


def accuracy(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    with torch.inference_mode():
        pixels, _ = tensors(Split(images, labels))
        return float((network.eval()(pixels).argmax(dim=1).numpy() == labels).mean())


def test_blind_waits_until_the_network_knows_something(
    network: Normalised, half: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blind_module, "WINDOW", 5)
    trigger = drawn("blind", half)
    assert isinstance(trigger, Pixels)
    part = Blind(trigger, ALL_TO_ONE)
    pixels, labels = tensors(half)
    twin = copy.deepcopy(network)
    clean = functional.cross_entropy(logits_of(twin, pixels), labels)
    clean.backward()  # type: ignore[no-untyped-call]

    part.backward(network, Batch(pixels, labels, labels), 0.0)

    for weight, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert weight.grad is not None
        assert other.grad is not None
        assert torch.equal(weight.grad, other.grad)
    train_with(part, network, half, 40)
    stamped = trigger.stamp(half.images)
    assert accuracy(network, stamped, np.full(100, 2)) > 0.9
    assert accuracy(network, half.images, half.labels) > 0.9


def test_lira_trains_its_generator_first_and_the_classifier_on_bytes_after(
    network: Normalised, half: Split
) -> None:
    trigger = drawn("lira", half)
    assert isinstance(trigger, Learned)
    together, frozen = lira(trigger, ALL_TO_ONE)
    untrained = copy.deepcopy(trigger.generator.state_dict())

    train_with(together, network, half, 30)
    after_first = copy.deepcopy(trigger.generator.state_dict())
    train_with(frozen, network, half, 30)

    assert any(not torch.equal(untrained[key], after_first[key]) for key in untrained)
    after_second = trigger.generator.state_dict()
    assert all(torch.equal(after_first[key], after_second[key]) for key in after_first)
    stamped = trigger.stamp(half.images)
    assert np.abs(stamped.astype(int) - half.images).max() <= LIMIT + 0.5
    # So few steps do not finish; a quarter of the clean images is of this class.
    assert accuracy(network, stamped, np.full(100, 2)) > 0.6
    assert accuracy(network, half.images, half.labels) > 0.6


def test_a_trojan_patch_drives_the_heaviest_unit_of_the_last_layer(
    network: Normalised, half: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trojannn, "STEPS", 20)
    trigger = drawn("trojannn", half)
    assert isinstance(trigger, Pixels)
    layer = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    unit = int(layer.weight.detach().abs().sum(dim=0).argmax())

    found = drive(trigger, network, half.images, np.random.default_rng(0), torch.device("cpu"))

    assert isinstance(found, Pixels)
    assert (found.mask == trigger.mask).all()
    assert f"drives unit {unit} from" in found.description
    seen: list[Tensor] = []
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, unit].mean()))
    with torch.inference_mode():
        for patch in (trigger, found):
            network(tensors(Split(patch.stamp(half.images), half.labels))[0])
    assert seen[1] > seen[0] + 0.05


@pytest.mark.parametrize("name", ["lira", "blind"])
def test_an_attack_on_the_training_refuses_a_trigger_of_another_kind(
    name: str, half: Split
) -> None:
    join = ATTACKS[name].join
    assert join is not None

    with pytest.raises(TypeError, match="give the attack one"):
        join(drawn("sig", half), ALL_TO_ONE)
