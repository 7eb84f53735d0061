"""The optimiser of a refit: what a layer makes of inputs that it was shown stays, of others it may change."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork, config_for
from training import optimizer as optimizers
from training.optimizer import HoldingMuon, Muon, MuonAdamW


def two_kinds_of_inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs to keep [64, 16] that fill the first half of the space and hardly the rest, and new ones in all of it."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([1.0] * 8 + [0.01] * 8)
    return torch.randn(64, 16, generator=generator) * spread, torch.randn(8, 16, generator=generator)


def learn(network: nn.Module, optimizer: MuonAdamW, new: torch.Tensor, wanted: torch.Tensor) -> float:
    """Steps towards `wanted` on the new inputs; gives the loss that is left."""
    for _ in range(60):
        loss = (network(new) - wanted).square().mean()
        loss.backward()
        optimizer.step(0.02)
    return (network(new) - wanted).square().mean().item()


def test_inputs_that_were_shown_keep_their_outputs_while_others_are_learned():
    shown, new = two_kinds_of_inputs()
    wanted = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    drift = {}
    for kind in ("plain", "holding"):
        torch.manual_seed(2)
        network = nn.Sequential(nn.Linear(16, 4))
        before = network(shown).detach()
        optimizer = (
            MuonAdamW(network, 0.02, 0.0) if kind == "plain" else HoldingMuon(network, 0.02, lambda n=network: n(shown))
        )
        first = (network(new) - wanted).square().mean().item()
        assert learn(network, optimizer, new, wanted) < 0.5 * first, kind
        drift[kind] = (network(shown) - before).square().mean().item()
    assert drift["holding"] < 0.1 * drift["plain"], drift


@pytest.mark.parametrize(("dtype", "apart"), [(torch.bfloat16, 0.0), (torch.float32, 0.02)])
def test_muon_steps_as_the_one_of_torch_exactly_in_its_dtype_and_nearly_in_float32(dtype, apart, monkeypatch):
    monkeypatch.setattr(optimizers, "compute_dtype", lambda _device: dtype)
    generator = torch.Generator().manual_seed(0)
    mine, theirs = ([nn.Parameter(torch.ones(shape)) for shape in ((24, 8), (8, 24))] for _ in range(2))
    both = (
        (mine, Muon(mine, 0.1, 0.01)),
        (theirs, torch.optim.Muon(theirs, lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")),
    )
    for _ in range(3):
        gradients = [torch.randn(p.shape, generator=generator) for p in mine]
        for parameters, optimizer in both:
            for p, gradient in zip(parameters, gradients, strict=True):
                p.grad = gradient.clone()
            optimizer.step()
    for p, q in zip(mine, theirs, strict=True):
        moved = (q - 1).norm()
        assert moved > 0.1
        assert (p - q).norm() <= apart * moved
    assert [*both[0][1].state_dict()["state"][0]] == [*both[1][1].state_dict()["state"][0]]


def test_what_belongs_to_no_linear_layer_is_frozen_and_no_hook_stays():
    shown, new = two_kinds_of_inputs()
    network = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 4))
    optimizer = HoldingMuon(network, 0.02, lambda: network(shown))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    learn(network, optimizer, new, torch.zeros(8, 4))
    changed = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"1.weight"}
    assert not network[1]._forward_pre_hooks


def test_after_a_resume_on_a_gpu_steps_are_counted_on_the_cpu():
    with FakeTensorMode():  # tensors of a GPU, on any machine, and nothing in them
        network = nn.Module()
        network.scale = nn.Parameter(torch.empty(4, device="cuda"))
        optimizer = MuonAdamW(network, 0.02, 0.0)
        shapes = {"step": (), "exp_avg": (4,), "exp_avg_sq": (4,)}
        optimizer.load_state({f"adamw.0.{key}": torch.empty(shape, device="cuda") for key, shape in shapes.items()})
        devices = {name: tensor.device.type for name, tensor in optimizer.state().items()}
    assert devices == {"adamw.0.step": "cpu", "adamw.0.exp_avg": "cuda", "adamw.0.exp_avg_sq": "cuda"}


def test_every_parameter_is_stepped_by_one_optimiser_and_the_slots_gates_by_both(base: Base):
    network = Hypernetwork(config_for(base, ("mlp.gate_proj", "mlp.down_proj"), width=32, slots=4))
    parts = MuonAdamW(network, 0.02, 0.1)._parts
    names = {parameter: name for name, parameter in network.named_parameters()}
    muon = {names[p] for group in parts["muon"].param_groups for p in group["params"]}
    decaying, plain = ({names[p] for p in group["params"]} for group in parts["adamw"].param_groups)
    assert muon | decaying | plain == set(names.values())
    assert muon & (decaying | plain) == {"slots.gate_say.weight", "slots.gate_put.weight"}
    assert {"shared_a.mlp-gate_proj", "shared_b.mlp-gate_proj", "latents"} <= decaying
