"""Features: open valences say where the hydrogens of real molecules are; distances are told finely."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from molaug.generators.diffusion.data import padded
from molaug.generators.diffusion.features import RadialBasis, open_valences
from molaug.generators.diffusion.geometries import Geometries
from molaug.structures import Structures

H, C, OX = 0, 1, 2
VALENCES, IS_HYDROGEN = torch.tensor([1.0, 4.0, 2.0]), torch.tensor([1.0, 0.0, 0.0])


def laid(atoms: list[int], *bonds: tuple[int, int, int]) -> tuple[torch.Tensor, ...]:
    square = torch.zeros(1, len(atoms), len(atoms), dtype=torch.long)
    for i, j, order in bonds:
        square[0, i, j] = square[0, j, i] = order
    return torch.tensor([atoms]), square, torch.ones(1, len(atoms), dtype=torch.bool), VALENCES, IS_HYDROGEN


def in_orders(geometries: Geometries, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Types, bonds and mask, the heavy atoms in one of their SMILES orders, hydrogens in that of their atoms."""
    batch = padded(geometries, np.arange(len(geometries)))
    atoms, bonds = torch.zeros_like(batch["atoms"]), torch.zeros_like(batch["bonds"])
    for k, (size, heavy) in enumerate(zip(batch["sizes"].tolist(), batch["heavy"].tolist(), strict=True)):
        chosen = int(torch.randint(batch["orders"].shape[1], (1,), generator=generator))
        first = batch["orders"][k, chosen, :heavy].tolist()
        parents = batch["parents"][k].tolist()
        order = first + sorted(range(heavy, size), key=lambda atom, first=first, up=parents: first.index(up[atom]))
        atoms[k, :size] = batch["atoms"][k, order]
        bonds[k, :size, :size] = batch["bonds"][k][order][:, order]
    return atoms, bonds, torch.arange(atoms.shape[1]) < batch["sizes"][:, None]


def check(geometries: Geometries) -> None:
    """Without its bonds to hydrogens a graph says where these belong; with them nothing is open or exceeded."""
    types = geometries.types
    valences = torch.tensor(types.valences, dtype=torch.float32)
    hydrogen = (torch.tensor(types.numbers) == 1).float()
    atoms, bonds, mask = in_orders(geometries, torch.Generator().manual_seed(0))
    light = (hydrogen[atoms] > 0) & mask
    to_hydrogen = ((bonds > 0) & (light[:, :, None] | light[:, None])).float()
    for given in (bonds, bonds * (to_hydrogen == 0)):
        found = open_valences(atoms, given, mask, valences, hydrogen)
        assert torch.equal(found.pair, to_hydrogen)
        assert not found.balance.any()
    assert not open_valences(atoms, bonds, mask, valences, hydrogen).atom[..., 1].any()


def test_the_hydrogens_of_real_molecules_are_where_open_valences_are(data: Path) -> None:
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        offsets, z, x, smiles = (arrays[name] for name in ("offsets", "z", "pos", "smiles"))
    charged = np.flatnonzero(np.char.find(smiles, b"+") >= 0)
    chosen = [*range(3, len(smiles), 1500), *charged[:: len(charged) // 40].tolist()]
    rows = [slice(offsets[k], offsets[k + 1]) for k in chosen]
    check(Geometries.read(Structures.from_arrays([z[row] for row in rows], [x[row] for row in rows])))


def test_the_hydrogens_of_small_molecules_are_where_open_valences_are(structures: Structures) -> None:
    check(Geometries.read(structures))


def test_hydrogens_fill_open_valences_one_after_the_other() -> None:
    # C=O, of which only the bond between heavy atoms is known: both hydrogens belong to the carbon
    found = open_valences(*laid([C, OX, H, H], (0, 1, 2)))
    assert found.pair[0].nonzero().tolist() == [[0, 2], [0, 3], [2, 0], [3, 0]]
    # C-O: three for the carbon, one for the oxygen
    found = open_valences(*laid([C, OX, H, H, H, H], (0, 1, 1)))
    assert found.pair[0].nonzero().tolist() == [[0, 2], [0, 3], [0, 4], [1, 5], [2, 0], [3, 0], [4, 0], [5, 1]]


def test_the_balance_counts_hydrogens_that_lack_and_that_are_too_many() -> None:
    for hydrogens in (0, 2, 4, 7):
        found = open_valences(*laid([C] + [H] * hydrogens))
        assert float(found.balance) == pytest.approx((4 - hydrogens) / 8)
    assert float(open_valences(*laid([C] * 10)).balance) == 2.0  # bounded


def test_an_exceeded_valence_opens_none() -> None:
    found = open_valences(*laid([OX, C, C, C, H], (0, 1, 1), (0, 2, 1), (0, 3, 1)))
    vacant, excess = found.atom[0, :, 0] * 4, found.atom[0, :, 1] * 4
    assert vacant.tolist() == [0, 3, 3, 3, 0]
    assert excess.tolist() == [1, -3, -3, -3, -1]
    assert found.pair[0, 1, 4] == 1  # the hydrogen goes to the first that is open


def test_padding_is_nothing() -> None:
    atoms, bonds, mask, *rest = laid([C, OX, H, H], (0, 1, 2))
    pad = torch.nn.functional.pad
    wide = open_valences(pad(atoms, (0, 3)), pad(bonds, (0, 3, 0, 3)), pad(mask, (0, 3)), *rest)
    found = open_valences(atoms, bonds, mask, *rest)
    assert torch.equal(wide.pair, pad(found.pair, (0, 3, 0, 3)))
    assert torch.equal(wide.atom, pad(found.atom, (0, 0, 0, 3)))
    assert torch.equal(wide.balance, found.balance)


def test_radial_features_are_smooth_bounded_and_tell_bonds_apart() -> None:
    basis = RadialBasis(24)
    distance = torch.linspace(0.0, 30.0, 3001, requires_grad=True)
    found = basis(distance)
    assert ((found > 0) & (found <= 1)).all()
    assert float(found.detach().diff(dim=0).abs().max()) < 0.1
    (gradient,) = torch.autograd.grad(found.sum(), distance)
    assert gradient.isfinite().all()
    # a tenth of an Å changes much where bonds are, and little far away
    at = basis(torch.tensor([1.2, 1.3, 6.0, 6.1])).detach()
    assert float((at[0] - at[1]).norm()) > 0.3 > 5 * float((at[2] - at[3]).norm())
    assert float(basis(torch.tensor([1e-30, 50.0])).min()) > 1e-30  # nothing denormal
