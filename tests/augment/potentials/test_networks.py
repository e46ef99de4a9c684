"""Potentials obey physics: symmetries, forces as derivatives, locality, structures that do not feel each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")
pytest.importorskip("safetensors")

from ase.build import molecule  # noqa: E402

from molaug.potentials import Potential  # noqa: E402
from molaug.potentials.batches import Dense, radius_edges  # noqa: E402

NETWORKS = {
    "painn": {"width": 32, "layers": 2, "heads": 8},
    "painn, one filter for each channel": {"width": 16, "layers": 2, "heads": 16},
    "schnet": {"width": 32, "layers": 2},
}


@pytest.fixture(scope="module", params=NETWORKS)
def potential(request: pytest.FixtureRequest) -> Potential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = Potential(
            request.param.split(",")[0],
            NETWORKS[request.param],
            references={1: -13.0, 6: -1030.0, 8: -2040.0},
            scale=0.3,
        )
    return built.double().eval()


def atoms(*names: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    found = [molecule(name) for name in names]
    for k, frame in enumerate(found):
        frame.rattle(0.05, seed=k)
    sizes = torch.tensor([len(frame) for frame in found])
    return (
        torch.from_numpy(np.concatenate([frame.numbers for frame in found])).long(),
        torch.from_numpy(np.concatenate([frame.positions for frame in found])),
        torch.repeat_interleave(torch.arange(len(found)), sizes),
    )


def test_energies_do_not_change_and_forces_turn_with_the_molecule(potential: Potential) -> None:
    z, x, batch = atoms("CH3CH2OH", "H2CO")
    turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    for matrix in (turn, -turn):  # a rotation and a reflection
        plain = potential(z, x, batch, forces=True)
        moved = potential(z, x @ matrix + torch.tensor([3.0, -2.0, 5.0]), batch, forces=True)
        torch.testing.assert_close(moved.energy, plain.energy)
        torch.testing.assert_close(moved.forces, plain.forces @ matrix)
        torch.testing.assert_close(moved.features, plain.features)


def test_the_order_of_atoms_does_not_matter(potential: Potential) -> None:
    z, x, batch = atoms("CH3CH2OH")
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(0))
    plain, mixed = potential(z, x, batch, forces=True), potential(z[order], x[order], batch, forces=True)
    torch.testing.assert_close(mixed.energy, plain.energy)
    torch.testing.assert_close(mixed.forces, plain.forces[order])
    torch.testing.assert_close(mixed.features, plain.features[order])


def test_forces_are_the_derivative_of_the_energy_and_sum_to_nothing(potential: Potential) -> None:
    z, x, batch = atoms("H2CO", "CH4")
    forces, step = potential(z, x, batch, forces=True).forces, 1e-5
    for atom, axis in ((0, 0), (2, 1), (6, 2)):
        ends = []
        for sign in (1, -1):
            moved = x.clone()
            moved[atom, axis] += sign * step
            ends.append(potential(z, moved, batch).energy.sum().item())
        assert float(forces[atom, axis]) == pytest.approx(-(ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-6)
    assert forces.abs().max() > 1e-4
    torch.testing.assert_close(forces[:4].sum(0), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)


def test_structures_of_a_batch_do_not_feel_each_other(potential: Potential) -> None:
    names = ("CH3CH2OH", "CH4", "H2O", "H2CO")
    together = potential(*atoms(*names)).energy
    z, x, batch = atoms(*names)
    for k in range(4):
        mine = batch == k
        alone = potential(z[mine], x[mine], torch.zeros(int(mine.sum()), dtype=torch.long)).energy
        torch.testing.assert_close(alone, together[k : k + 1])


def test_what_is_beyond_the_cutoff_is_not_seen_and_nothing_jumps_there(potential: Potential) -> None:
    z, batch = torch.tensor([8, 1]), torch.zeros(2, dtype=torch.long)

    def at(distance: float) -> float:
        return potential(z, torch.tensor([[0.0, 0, 0], [distance, 0, 0]], dtype=torch.float64), batch).energy.item()

    apart = sum(
        potential(z[k : k + 1], torch.zeros(1, 3, dtype=torch.float64), batch[:1]).energy.item() for k in range(2)
    )
    assert at(5.01) == pytest.approx(apart, abs=1e-9)
    assert abs(at(1.0) - apart) > 1e-6
    assert abs(at(4.999) - apart) < 1e-3 * abs(at(1.0) - apart)


def test_energies_are_sums_over_atoms_of_what_the_last_layer_makes_of_features(potential: Potential) -> None:
    z, x, batch = atoms("CH3CH2OH", "H2CO")
    found = potential(z, x, batch)
    of_atoms = potential.references[z] + 0.3 * potential.last(found.features)[:, 0]
    torch.testing.assert_close(torch.zeros(2, dtype=torch.float64).index_add(0, batch, of_atoms), found.energy)
    assert found.features.shape == (len(z), potential.n_features)


def test_elements_that_it_has_not_learned_have_no_energy(potential: Potential) -> None:
    z, x, batch = atoms("CH4", "NH3")
    found = potential(z, x, batch).energy
    assert found[0].isfinite()
    assert found[1].isnan()
    assert potential.elements == (1, 6, 8)


def test_edges_are_those_of_a_loop() -> None:
    z, x, batch = atoms("CH3CH2OH", "H2O", "CH4")
    edges = {tuple(pair) for pair in radius_edges(x, batch, 1.7).T.tolist()}
    expected = {
        (i, j)
        for i in range(len(z))
        for j in range(len(z))
        if i != j and batch[i] == batch[j] and float((x[i] - x[j]).norm()) < 1.7
    }
    assert edges == expected


def test_dense_arrays_give_back_what_was_laid_into_them() -> None:
    batch = torch.tensor([0, 1, 1, 1, 3])
    dense = Dense.of(batch)
    values = torch.arange(10.0).reshape(5, 2)
    assert dense.mask.sum(1).tolist() == [1, 3, 0, 1]
    assert torch.equal(dense.flat(dense.laid(values)), values)
    assert not dense.laid(values)[~dense.mask].any()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gemnet", {}, "expected one of: painn, schnet"),
        ("painn", {"width": 16, "heads": 5}, "expected a divisor"),
        ("painn", {"width": 16, "heads": 4, "cutoff": 0.0}, "more than 0"),
    ],
)
def test_networks_that_cannot_be_are_told(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Potential(name, options)


def test_reference_energies_of_no_element_are_told() -> None:
    with pytest.raises(ValueError, match="atomic number 0"):
        Potential("painn", {"width": 16, "heads": 4}, references={0: 1.0})
