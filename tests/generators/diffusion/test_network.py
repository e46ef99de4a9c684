"""The network: blind to padding and to the other molecules of a batch; turned with the molecule where it only moves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from molaug.generators.diffusion.alignment import random_rotations
from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.learned.pairs import in_square, of_pairs

N_TYPES, N_MAX = 4, 7
Inputs = tuple[torch.Tensor, ...]


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        yield


def network(**options: object) -> MoleculeDenoiser:
    torch.manual_seed(3)
    given = {"n_max": N_MAX, "width": 32, "layers": 2, "heads": 4, "pair_width": 8, "move_width": 16, "walk_steps": 3}
    made = MoleculeDenoiser(**given | options).eval()
    torch.nn.init.normal_(made.modulation.weight, std=0.1)  # zero at first: the blocks would not see the time
    for move in made.movers.values():
        torch.nn.init.normal_(move.weight.weight, std=0.3)  # small at first: no step would be seen
    return made


def molecules(n: int = 6, n_max: int = N_MAX) -> Inputs:
    torch.manual_seed(1)
    mask = torch.arange(n_max) < torch.randint(1, n_max + 1, (n, 1))
    atoms = torch.randint(0, N_TYPES, (n, n_max)) * mask
    pairs = torch.randint(0, 4, (n, n_max * (n_max - 1) // 2)) * of_pairs(mask[:, :, None] & mask[:, None])
    return (
        atoms,
        in_square(pairs, n_max),
        torch.randn(n, n_max, 3) * mask[..., None],
        mask,
        torch.rand(n),
        torch.rand(n),
    )


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


VARIANTS = [{}, {"absolute": False}, {"moves": 0}, {"moves": 1}]


@pytest.mark.parametrize("options", VARIANTS)
def test_padding_changes_nothing(options: dict) -> None:
    net = network(**options)
    atoms, bonds, x, mask, graph_time, time = molecules(n_max=5)
    small = net(atoms, bonds, x, mask, graph_time, time)
    pad = torch.nn.functional.pad
    wide = pad(bonds, (0, 2, 0, 2))
    large = net(pad(atoms, (0, 2)), wide, pad(x, (0, 0, 0, 2)), pad(mask, (0, 2)), graph_time, time)
    close(large[0][:, :5][mask], small[0][mask])
    close(large[2][:, :5], small[2])
    assert not large[2][:, 5:].any()
    assert not small[2][~mask].any()
    there = of_pairs(mask[:, :, None] & mask[:, None])
    for c in range(4):
        close(of_pairs(in_square(large[1][..., c], N_MAX)[:, :5, :5])[there], small[1][..., c][there])


@pytest.mark.parametrize("options", VARIANTS)
def test_molecules_of_a_batch_do_not_see_each_other(options: dict) -> None:
    net, inputs = network(**options), molecules()
    together = net(*inputs)
    for k in range(6):
        alone = net(*(x[k : k + 1] for x in inputs))
        for a, b in zip(alone, together, strict=True):
            close(a[0], b[k])


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_moves_turn_and_shift_and_mirror_with_the_molecule(mirror: float) -> None:
    net = network(absolute=False, layers=4, moves=3)
    atoms, bonds, x, mask, graph_time, time = molecules()
    turn = random_rotations(torch.randn(6, 4)) * mirror  # (n, 3, 3)
    shift = 3 * torch.randn(6, 1, 3)
    there = mask[..., None]
    a, p, y = net(atoms, bonds, x, mask, graph_time, time)
    turned_a, turned_p, turned_y = net(atoms, bonds, (x @ turn + shift) * there, mask, graph_time, time)
    close(turned_a[mask], a[mask])
    pairs = of_pairs(mask[:, :, None] & mask[:, None])
    close(turned_p[pairs], p[pairs])
    torch.testing.assert_close(turned_y, (y @ turn + shift) * there, atol=2e-4, rtol=1e-3)
    assert float((y - x)[mask].detach().norm(dim=-1).max()) > 1e-2  # it moves at all


def test_moves_leave_the_centroid_of_two_atoms_on_their_line() -> None:
    net = network(absolute=False)
    atoms, bonds = torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, 2, dtype=torch.long)
    x, mask = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]]]), torch.ones(1, 2, dtype=torch.bool)
    y = net(atoms, bonds, x, mask, torch.zeros(1), torch.zeros(1))[2]
    assert torch.linalg.cross(y[0], x[0, 1].expand(2, 3)).norm() < 1e-5


def test_absolute_coordinates_have_a_meaning() -> None:
    net, (atoms, bonds, x, mask, *times) = network(), molecules()
    turned = net(atoms, bonds, x @ random_rotations(torch.randn(6, 4)), mask, *times)[0]
    assert float((turned - net(atoms, bonds, x, mask, *times)[0]).detach().abs().max()) > 1e-2


def test_at_the_end_of_their_time_coordinates_stay() -> None:
    for options in VARIANTS:
        atoms, bonds, x, mask, graph_time, _ = molecules()
        assert torch.equal(network(**options)(atoms, bonds, x, mask, graph_time, torch.ones(6))[2], x)


def test_bonds_have_no_direction() -> None:
    """Atoms exchanged two by two: what is said of a pair is said of it in either order."""
    net = network(absolute=False)
    torch.nn.init.zeros_(net.place.weight)
    torch.nn.init.zeros_(net.offset.weight)
    torch.nn.init.zeros_(net.row.weight)  # tells to which places an atom is bonded
    torch.nn.init.zeros_(net.valence.weight)  # the ranks of hydrogens
    net.pair.weight.data[:, 4 + 3] = 0.0  # and which hydrogens belong to which atom
    atoms, bonds, x, _, *times = molecules()
    mask, p = torch.ones(6, N_MAX, dtype=torch.bool), torch.randperm(N_MAX)
    a, pairs, y = net(atoms, bonds, x, mask, *times)
    again = net(atoms[:, p], bonds[:, p][:, :, p], x[:, p], mask, *times)
    close(again[0], a[:, p])
    close(again[2], y[:, p])
    for c in range(4):
        close(in_square(again[1][..., c], N_MAX), in_square(pairs[..., c], N_MAX)[:, p][:, :, p])


@pytest.mark.parametrize("options", VARIANTS)
def test_every_parameter_learns(options: dict) -> None:
    net = network(conditions=("gap", "mu"), **options)
    inputs = molecules(12)
    fixed = torch.rand(inputs[0].shape) < 0.3
    a, p, y = net(*inputs, fixed=fixed, condition=torch.rand(12, 4))
    (a.square().mean() + p.square().mean() + y.square().mean()).backward()
    assert [name for name, w in net.named_parameters() if w.grad is None or not w.grad.any()] == []
    assert all(w.grad.isfinite().all() for w in net.parameters())


def test_atoms_in_one_place_have_finite_gradients() -> None:
    net, (atoms, bonds, x, mask, *times) = network(), molecules()
    x = torch.zeros_like(x).requires_grad_()
    a, _, y = net(atoms, bonds, x, mask, *times)
    (a.sum() + y.square().sum()).backward()
    assert x.grad.isfinite().all()


def test_no_condition_is_the_same_as_conditions_of_which_none_is_given() -> None:
    net, inputs = network(conditions=("gap",)), molecules()
    for a, b in zip(net(*inputs), net(*inputs, condition=torch.zeros(6, 2)), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(net(*inputs)[0], net(*inputs, condition=torch.ones(6, 2))[0])


def test_both_times_and_fixed_atoms_matter() -> None:
    net, (*state, mask, graph_time, time) = network(), molecules()
    base = net(*state, mask, graph_time, time)[0]
    assert not torch.equal(net(*state, mask, 1 - graph_time, time)[0], base)
    assert not torch.equal(net(*state, mask, graph_time, 1 - time)[0], base)
    assert not torch.equal(net(*state, mask, graph_time, time, fixed=mask)[0], base)


def test_fixed_none_and_nothing_fixed_differ_at_most_by_what_is_learned() -> None:
    """All that ``fixed`` does is to tell the atoms apart: rows without a fixed atom are alike among each other."""
    net, inputs = network(), molecules()
    fixed = torch.zeros_like(inputs[3])
    some = fixed.clone()
    some[0, 0] = True
    for a, b in zip(net(*inputs, fixed=fixed), net(*inputs, fixed=some), strict=True):
        close(a[1:], b[1:])
        assert not torch.equal(a[0], b[0])


def test_a_single_atom_has_no_pairs() -> None:
    net = network(n_max=1)
    ones = torch.ones(2, 1).bool()
    a, p, y = net(torch.zeros(2, 1).long(), torch.zeros(2, 1, 1).long(), torch.zeros(2, 1, 3), ones, *torch.rand(2, 2))
    assert (a.shape, p.shape, y.shape) == ((2, 1, N_TYPES), (2, 0, 4), (2, 1, 3))


def test_it_is_kept_as_configuration_and_weights(tmp_path: Path) -> None:
    net, inputs = network(conditions=("gap",), moves=1), molecules()
    net.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert json.loads((tmp_path / "config.json").read_text())["moves"] == 1
    again = MoleculeDenoiser.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    assert not again.training
    for a, b in zip(net(*inputs), again(*inputs), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 30}, "width 30 and 4 heads; expected a multiple"),
        ({"moves": 3}, "3 layers that move atoms of 2; expected no more of them"),
        ({"moves": -1}, "-1 layers that move atoms"),
        ({"moves": 0, "absolute": False}, "moves=0 and absolute=False"),
    ],
)
def test_settings_that_cannot_be_are_told(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**options)
