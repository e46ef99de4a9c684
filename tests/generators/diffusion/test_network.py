"""The network: blind to padding and to the other molecules of a batch; turned with the molecule where it only moves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from molaug.generators.diffusion.alignment import random_rotations
from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.learned.pairs import in_square, of_pairs

VALENCES, N_MAX = (1, 4, 3, 2), 7
Inputs = tuple[torch.Tensor, ...]


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        yield


def network(**options: object) -> MoleculeDenoiser:
    torch.manual_seed(3)
    given = {
        "valences": VALENCES,
        "n_max": N_MAX,
        "width": 32,
        "layers": 2,
        "heads": 4,
        "pair_width": 8,
        "move_width": 16,
        "walk_steps": 3,
    }
    made = MoleculeDenoiser(**given | options).eval()
    torch.nn.init.normal_(made.modulation.weight, std=0.1)  # zero at first: the blocks would not see the time
    for move in made.movers.values():
        torch.nn.init.normal_(move.weight.weight, std=0.3)  # small at first: no step would be seen
    return made


def molecules(n: int = 6, n_max: int = N_MAX) -> Inputs:
    """Types, bonds, coordinates, mask and times."""
    torch.manual_seed(1)
    mask = torch.arange(n_max) < torch.randint(1, n_max + 1, (n, 1))
    atoms = torch.randint(0, len(VALENCES), (n, n_max)) * mask
    pairs = torch.randint(0, 4, (n, n_max * (n_max - 1) // 2)) * of_pairs(mask[:, :, None] & mask[:, None])
    return atoms, in_square(pairs, n_max), torch.randn(n, n_max, 3) * mask[..., None], mask, torch.rand(n)


def asked(net: MoleculeDenoiser, inputs: Inputs, **options: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Logits of types and bonds, around the atoms that are fixed, and coordinates."""
    atoms, bonds, x, mask, time = inputs
    return (
        *net.graph(atoms, bonds, mask, time, coordinates=x, **options),
        net.coordinates(atoms, bonds, x, mask, time, **options),
    )


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


VARIANTS = [{}, {"absolute": False}, {"moves": 0}, {"moves": 1}]


def some_fixed(mask: torch.Tensor) -> torch.Tensor:
    """The first atom of every other molecule, and more."""
    return mask & (torch.arange(mask.shape[1]) < 3 * (torch.arange(len(mask)) % 2)[:, None])


@pytest.mark.parametrize("options", VARIANTS)
def test_padding_changes_nothing(options: dict) -> None:
    net, inputs = network(**options), molecules(n_max=5)
    atoms, bonds, x, mask, time = inputs
    small = asked(net, inputs, fixed=some_fixed(mask))
    pad = torch.nn.functional.pad
    wide = pad(atoms, (0, 2)), pad(bonds, (0, 2, 0, 2)), pad(x, (0, 0, 0, 2)), pad(mask, (0, 2)), time
    large = asked(net, wide, fixed=pad(some_fixed(mask), (0, 2)))
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
    fixed = some_fixed(inputs[3])
    together = asked(net, inputs, fixed=fixed)
    for k in range(6):
        alone = asked(net, tuple(x[k : k + 1] for x in inputs), fixed=fixed[k : k + 1])
        for a, b in zip(alone, together, strict=True):
            close(a[0], b[k])


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_moves_turn_and_shift_and_mirror_with_the_molecule(mirror: float) -> None:
    net, inputs = network(absolute=False, layers=4, moves=3), molecules()
    atoms, bonds, x, mask, time = inputs
    turn = random_rotations(torch.randn(6, 4)) * mirror  # (n, 3, 3)
    shift = 3 * torch.randn(6, 1, 3)
    there, fixed = mask[..., None], some_fixed(mask)
    a, p, y = asked(net, inputs, fixed=fixed)
    turned = asked(net, (atoms, bonds, (x @ turn + shift) * there, mask, time), fixed=fixed)
    close(turned[0][mask], a[mask])
    pairs = of_pairs(mask[:, :, None] & mask[:, None])
    close(turned[1][pairs], p[pairs])
    torch.testing.assert_close(turned[2], (y @ turn + shift) * there, atol=2e-4, rtol=1e-3)
    assert float((y - x)[mask].detach().norm(dim=-1).max()) > 1e-2  # it moves at all


def test_two_atoms_move_along_their_line() -> None:
    net = network(absolute=False)
    atoms, bonds = torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, 2, dtype=torch.long)
    x, mask = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]]]), torch.ones(1, 2, dtype=torch.bool)
    y = net.coordinates(atoms, bonds, x, mask, torch.zeros(1)).detach()
    assert torch.linalg.cross(y[0], x[0, 1].expand(2, 3)).norm() < 1e-5


def test_absolute_coordinates_have_a_meaning() -> None:
    net, (atoms, bonds, x, mask, time) = network(), molecules()
    turn = random_rotations(torch.randn(6, 4))
    y = net.coordinates(atoms, bonds, x, mask, time).detach()
    turned = net.coordinates(atoms, bonds, x @ turn, mask, time).detach()
    assert float((turned - y @ turn).abs().max()) > 1e-2


@pytest.mark.parametrize("options", VARIANTS)
def test_at_the_end_of_their_time_coordinates_stay(options: dict) -> None:
    atoms, bonds, x, mask, _ = molecules()
    assert torch.equal(network(**options).coordinates(atoms, bonds, x, mask, torch.ones(6)), x)


@pytest.mark.parametrize("options", VARIANTS)
def test_the_graph_is_drawn_without_places_but_for_those_of_a_fragment(options: dict) -> None:
    net, (atoms, bonds, x, mask, time) = network(**options), molecules()
    fixed = some_fixed(mask)
    base = net.graph(atoms, bonds, mask, time, fixed=fixed, coordinates=x)
    free = torch.where(fixed[..., None], x, torch.randn_like(x))
    for a, b in zip(base, net.graph(atoms, bonds, mask, time, fixed=fixed, coordinates=free), strict=True):
        assert torch.equal(a, b)
    moved = net.graph(atoms, bonds, mask, time, fixed=fixed, coordinates=2.0 * x)
    assert not torch.equal(moved[0][fixed.any(1)], base[0][fixed.any(1)])
    assert torch.equal(moved[0][~fixed.any(1)], base[0][~fixed.any(1)])
    nothing = net.graph(atoms, bonds, mask, time)
    for a, b in zip(
        nothing, net.graph(atoms, bonds, mask, time, fixed=torch.zeros_like(mask), coordinates=x), strict=True
    ):
        assert torch.equal(a, b)


def test_bonds_have_no_direction() -> None:
    """Without what tells places apart, atoms that are exchanged exchange what is said of them."""
    net = network(absolute=False)
    for layer in (net.place, net.offset, net.row):
        torch.nn.init.zeros_(layer.weight)
    atoms, bonds, x, _, time = molecules()
    mask, p = torch.ones(6, N_MAX, dtype=torch.bool), torch.randperm(N_MAX)
    a, pairs, y = asked(net, (atoms, bonds, x, mask, time))
    again = asked(net, (atoms[:, p], bonds[:, p][:, :, p], x[:, p], mask, time))
    close(again[0], a[:, p])
    close(again[2], y[:, p])
    for c in range(4):
        close(in_square(again[1][..., c], N_MAX), in_square(pairs[..., c], N_MAX)[:, p][:, :, p])


@pytest.mark.parametrize("options", VARIANTS)
def test_every_parameter_learns(options: dict) -> None:
    net, inputs = network(conditions=("gap", "mu"), **options), molecules(12)
    a, p, y = asked(net, inputs, fixed=some_fixed(inputs[3]), condition=torch.rand(12, 4))
    (a.square().mean() + p.square().mean() + y.square().mean()).backward()
    assert [name for name, w in net.named_parameters() if w.grad is None or not w.grad.any()] == []
    assert all(w.grad.isfinite().all() for w in net.parameters())


def test_atoms_in_one_place_have_finite_gradients() -> None:
    net, (atoms, bonds, x, mask, time) = network(), molecules()
    x = torch.zeros_like(x).requires_grad_()
    net.coordinates(atoms, bonds, x, mask, time).square().sum().backward()
    assert x.grad.isfinite().all()


def test_no_condition_is_the_same_as_conditions_of_which_none_is_given() -> None:
    net, inputs = network(conditions=("gap",)), molecules()
    told = asked(net, inputs, condition=torch.ones(6, 2))
    for k, (a, b) in enumerate(zip(asked(net, inputs), asked(net, inputs, condition=torch.zeros(6, 2)), strict=True)):
        assert torch.equal(a, b)
        assert not torch.equal(a, told[k])


def test_time_and_fixed_atoms_matter() -> None:
    net, inputs = network(), molecules()
    *state, time = inputs
    for base, late, fixed in zip(
        asked(net, inputs), asked(net, (*state, 1 - time)), asked(net, inputs, fixed=inputs[3]), strict=True
    ):
        assert not torch.equal(base, late)
        assert not torch.equal(base, fixed)


def test_a_call_is_one_of_its_parts() -> None:
    net, (atoms, bonds, x, mask, time) = network(), molecules()
    for a, b in zip(net("graph", atoms, bonds, mask, time), net.graph(atoms, bonds, mask, time), strict=True):
        assert torch.equal(a, b)
    coordinates = net.coordinates(atoms, bonds, x, mask, time)
    assert torch.equal(net("coordinates", atoms, bonds, x, mask, time), coordinates)


def test_a_single_atom_has_no_pairs() -> None:
    net, one = network(n_max=1), torch.zeros(2, 1).long()
    inputs = one, torch.zeros(2, 1, 1).long(), torch.zeros(2, 1, 3), torch.ones(2, 1).bool(), torch.rand(2)
    assert [tuple(part.shape) for part in asked(net, inputs)] == [(2, 1, len(VALENCES)), (2, 0, 4), (2, 1, 3)]


def test_it_is_kept_as_configuration_and_weights(tmp_path: Path) -> None:
    net, inputs = network(conditions=("gap",), moves=1), molecules()
    net.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert json.loads((tmp_path / "config.json").read_text())["moves"] == 1
    again = MoleculeDenoiser.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    assert not again.training
    for a, b in zip(asked(net, inputs), asked(again, inputs), strict=True):
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
