"""The network: symmetric where graphs are, blind to padding, kept as configuration and weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from molaug.generators.graph.network import GraphDenoiser
from molaug.generators.learned.pairs import in_square, of_pairs

N_TYPES, N_MAX = 5, 7
Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def network(**options: object) -> GraphDenoiser:
    torch.manual_seed(3)
    given = {"n_types": N_TYPES, "n_max": N_MAX, "width": 32, "layers": 2, "heads": 4, "pair_width": 8, "walk_steps": 3}
    made = GraphDenoiser(**given | options).eval()
    torch.nn.init.normal_(made.modulation.weight, std=0.1)  # zero at first: the blocks would not see the time
    return made


def graphs(n: int = 6, n_max: int = N_MAX, smallest: int = 1) -> Inputs:
    torch.manual_seed(1)
    sizes = torch.randint(smallest, n_max + 1, (n,))
    mask = torch.arange(n_max) < sizes[:, None]
    atoms = torch.randint(0, N_TYPES, (n, n_max)) * mask
    pairs = torch.randint(0, 4, (n, n_max * (n_max - 1) // 2)) * of_pairs(mask[:, :, None] & mask[:, None])
    return atoms, in_square(pairs, n_max), mask, torch.rand(n)


@pytest.mark.parametrize("updates", [False, True])
def test_without_places_atoms_may_be_exchanged(updates: bool) -> None:
    net = network(ordered=False, pair_updates=updates)
    atoms, bonds, mask, time = graphs(smallest=N_MAX)
    p = torch.randperm(N_MAX)
    fixed = torch.rand(atoms.shape) < 0.3
    atom_logits, pair_logits = net(atoms, bonds, mask, time, fixed=fixed)
    again_atoms, again_pairs = net(atoms[:, p], bonds[:, p][:, :, p], mask, time, fixed=fixed[:, p])
    torch.testing.assert_close(again_atoms, atom_logits[:, p], atol=1e-5, rtol=1e-4)
    for c in range(4):
        square = in_square(pair_logits[..., c], N_MAX)
        torch.testing.assert_close(in_square(again_pairs[..., c], N_MAX), square[:, p][:, :, p], atol=1e-5, rtol=1e-4)


def test_with_places_they_have_a_meaning() -> None:
    atoms, bonds, mask, time = graphs(smallest=N_MAX)
    flipped = atoms.flip(1), bonds.flip(1, 2), mask, time
    logits, again = network()(atoms, bonds, mask, time)[0], network()(*flipped)[0]
    assert (logits - again.flip(1)).abs().max() > 1e-2


@pytest.mark.parametrize("options", [{}, {"ordered": False}, {"pair_updates": True}])
def test_padding_changes_nothing(options: dict) -> None:
    net = network(**options)
    atoms, bonds, mask, time = graphs(n_max=5)
    small = net(atoms, bonds, mask, time)
    wide = torch.zeros(len(atoms), N_MAX, N_MAX, dtype=torch.long)
    wide[:, :5, :5] = bonds
    pad = torch.nn.functional.pad
    large = net(pad(atoms, (0, 2)), wide, pad(mask, (0, 2)), time)
    torch.testing.assert_close(large[0][:, :5][mask], small[0][mask], atol=1e-5, rtol=1e-4)
    there = of_pairs(mask[:, :, None] & mask[:, None])
    for c in range(4):
        cut = of_pairs(in_square(large[1][..., c], N_MAX)[:, :5, :5])
        torch.testing.assert_close(cut[there], small[1][..., c][there], atol=1e-5, rtol=1e-4)


def test_molecules_of_a_batch_do_not_see_each_other() -> None:
    net, inputs = network(), graphs()
    together = net(*inputs)
    for k in range(6):
        alone = net(*(x[k : k + 1] for x in inputs))
        for a, b in zip(alone, together, strict=True):
            torch.testing.assert_close(a[0], b[k], atol=1e-5, rtol=1e-4)


def test_a_single_atom_has_no_pairs() -> None:
    net = network(n_max=1)
    atoms, pairs = net(torch.zeros(2, 1).long(), torch.zeros(2, 1, 1).long(), torch.ones(2, 1).bool(), torch.rand(2))
    assert atoms.shape == (2, 1, N_TYPES)
    assert pairs.shape == (2, 0, 4)


@pytest.mark.parametrize("options", [{}, {"ordered": False}, {"pair_updates": True}])
def test_every_parameter_learns(options: dict) -> None:
    net = network(conditions=("gap", "mu"), **options)
    atoms, bonds, mask, time = graphs()
    fixed = torch.rand(atoms.shape) < 0.3
    a, p = net(atoms, bonds, mask, time, fixed=fixed, condition=torch.rand(len(atoms), 4))
    (a.square().mean() + p.square().mean()).backward()
    assert [name for name, w in net.named_parameters() if w.grad is None or not w.grad.any()] == []


def test_no_condition_is_the_same_as_conditions_of_which_none_is_given() -> None:
    net, inputs = network(conditions=("gap",)), graphs()
    for a, b in zip(net(*inputs), net(*inputs, condition=torch.zeros(6, 2)), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(net(*inputs)[0], net(*inputs, condition=torch.ones(6, 2))[0])


def test_time_and_fixed_atoms_matter() -> None:
    net, (atoms, bonds, mask, time) = network(), graphs()
    base = net(atoms, bonds, mask, time)[0]
    assert not torch.equal(net(atoms, bonds, mask, 1 - time)[0], base)
    assert not torch.equal(net(atoms, bonds, mask, time, fixed=mask)[0], base)


def test_it_is_kept_as_configuration_and_weights(tmp_path: Path) -> None:
    net, inputs = network(conditions=("gap",), ordered=False), graphs()
    net.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert json.loads((tmp_path / "config.json").read_text())["ordered"] is False
    again = GraphDenoiser.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    assert not again.training
    for a, b in zip(net(*inputs), again(*inputs), strict=True):
        assert torch.equal(a, b)


def test_heads_share_the_width() -> None:
    with pytest.raises(ValueError, match="width 30 and 4 heads; expected a multiple"):
        network(width=30)
