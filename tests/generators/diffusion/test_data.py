"""What the network is told of the data: frequencies of the training part, batches of like size, conditions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rdkit import Chem

from molaug.generators.diffusion.data import GeometryData, padded
from molaug.generators.diffusion.geometries import Geometries
from molaug.structures import Structures


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def partly(structures: Structures) -> Structures:
    """The molecules with a column that is unknown for every third."""
    values = structures.array("refractivity").copy()
    values[::3] = np.nan
    return structures.with_columns({"refractivity": values})


@pytest.fixture(scope="module")
def data(partly: Structures) -> GeometryData:
    return GeometryData(partly, conditions=["refractivity"], batch_size=8)


def test_the_domain_counts_the_training_part_and_nothing_else(data: GeometryData) -> None:
    molecules, domain = data.molecules, data.domain
    rows = molecules.part("train")
    assert 0 < len(rows) < len(molecules)
    mols = [Chem.MolFromSmiles(molecules.smiles[k]) for k in rows]
    for mol in mols:
        Chem.Kekulize(mol, clearAromaticFlags=True)
    symbols = [atom.GetSymbol() for mol in mols for atom in mol.GetAtoms()]
    counts = [symbols.count(name) for name in molecules.types.names]
    np.testing.assert_allclose(domain["atom_prior"], np.array(counts) / len(symbols))  # heavy atoms
    sizes = [mol.GetNumAtoms() for mol in mols]
    most = int(molecules.heavy.max())
    np.testing.assert_allclose(domain["size_histogram"], np.bincount(sizes, minlength=most + 1) / len(sizes))
    assert domain["n_max"] == molecules.sizes.max()
    orders = [int(bond.GetBondTypeAsDouble()) for mol in mols for bond in mol.GetBonds()]
    pairs = sum(n * (n - 1) // 2 for n in sizes)
    expected = np.array([pairs - len(orders), *(orders.count(order) for order in (1, 2, 3))]) / pairs
    np.testing.assert_allclose(domain["bond_prior"], expected)
    for mol in mols:
        for atom in mol.GetAtoms():
            kind = molecules.types.index_of(atom.GetAtomicNum(), 0)
            bonds = sum(int(bond.GetBondTypeAsDouble()) for bond in atom.GetBonds())
            assert domain["hydrogens"][kind][bonds] == atom.GetTotalNumHs()


def test_the_scale_is_the_standard_deviation_of_coordinates(partly: Structures, data: GeometryData) -> None:
    train = [partly[int(k)].positions for k in data.molecules.part("train")]
    coordinates = np.concatenate([x - x.mean(0) for x in train])
    assert data.domain["scale"] == pytest.approx(coordinates.std(), abs=1e-3)


def test_conditions_are_standardised_by_the_training_part(data: GeometryData) -> None:
    rows = data.train_dataloader().dataset
    values = torch.cat([rows[k]["condition"] for k in range(len(rows))])[:, 0]
    known = values[values.isfinite()]
    assert 0 < len(known) < len(values)
    assert float(known.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(known.std(correction=0)) == pytest.approx(1.0, abs=1e-6)


def names(batch: dict[str, torch.Tensor]) -> list[bytes]:
    return [x[: int(n)].numpy().tobytes() for x, n in zip(batch["coordinates"], batch["sizes"], strict=True)]


def test_an_epoch_holds_no_molecule_twice_and_each_is_shuffled_anew(data: GeometryData) -> None:
    loader = data.train_dataloader()
    epochs = [[name for batch in loader for name in names(batch)] for _ in range(2)]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) == len(data.train_rows) // 8 * 8
        assert len(loader) == len(epoch) // 8
    assert epochs[0] != epochs[1]


def test_batches_that_come_out_even_cover_an_epoch(structures: Structures) -> None:
    data = GeometryData(structures, batch_size=5)
    data.molecules.parts[:] = "train"  # sixty molecules
    found = [name for batch in data.train_dataloader() for name in names(batch)]
    assert len(set(found)) == len(found) == 60


def test_every_molecule_comes_in_some_epoch(structures: Structures) -> None:
    data = GeometryData(structures, batch_size=7)
    data.molecules.parts[:] = "train"
    found = {name for _ in range(30) for batch in data.train_dataloader() for name in names(batch)}
    assert len(found) == 60


def test_molecules_of_a_batch_are_of_like_size(data: GeometryData) -> None:
    spread, whole = [], data.molecules.sizes[data.train_rows]
    for batch in data.train_dataloader():
        spread.append(int(batch["sizes"].max() - batch["sizes"].min()))
        assert batch["atoms"].shape[1] == int(batch["sizes"].max())
    assert np.mean(spread) < 0.4 * (int(whole.max()) - int(whole.min()))


def test_a_batch_is_its_molecules_and_padding(structures: Structures) -> None:
    geometries = Geometries.read(structures)
    rows = np.array([5, 0, 59, 30])
    batch = padded(geometries, rows)
    n_max = int(geometries.sizes[rows].max())
    shapes = {"atoms": (n_max,), "parents": (n_max,), "bonds": (n_max, n_max), "coordinates": (n_max, 3)}
    shapes |= {"sizes": (), "heavy": (), "orders": (8, n_max)}
    assert {name: tuple(value.shape[1:]) for name, value in batch.items()} == shapes
    for place, k in enumerate(rows.tolist()):
        size, s = int(batch["sizes"][place]), structures[k]
        alone = padded(geometries, np.array([k]))
        for name in ("atoms", "parents", "coordinates"):
            assert torch.equal(batch[name][place, :size], alone[name][0])
            assert not batch[name][place, size:].any()
        assert torch.equal(batch["bonds"][place, :size, :size], alone["bonds"][0])
        assert not batch["bonds"][place, size:].any()
        assert torch.equal(batch["bonds"][place], batch["bonds"][place].T)
        assert (batch["orders"][place].sort(1)[0] == torch.arange(n_max)).all()  # permutations that leave the padding
        assert (batch["orders"][place, :, int(batch["heavy"][place]) :] >= int(batch["heavy"][place])).all()
        mol = Chem.AddHs(Chem.MolFromSmiles(s.smiles))
        assert int((alone["bonds"][0] > 0).sum()) == 2 * mol.GetNumBonds()
        assert torch.cdist(alone["coordinates"], alone["coordinates"]).max() == pytest.approx(
            np.linalg.norm(s.positions[:, None] - s.positions, axis=2).max(), abs=1e-3
        )


def test_validation_reads_the_validation_part_in_order(data: GeometryData) -> None:
    held = data.molecules.part("validation")
    assert len(held) > 0
    sizes = torch.cat([batch["sizes"] for batch in data.val_dataloader()])
    np.testing.assert_array_equal(sizes.numpy(), data.molecules.sizes[held])


def test_so_few_molecules_that_a_part_is_empty_are_all_trained_on(structures: Structures) -> None:
    data = GeometryData(structures.slice(0, 1))
    assert data.train_rows.tolist() == [0]
    assert next(iter(data.train_dataloader()))["sizes"].tolist() == [5]
    assert next(iter(data.val_dataloader()))["sizes"].tolist() == [5]


def test_an_atom_alone_has_no_bonds_and_no_scale_of_its_own() -> None:
    domain = GeometryData(Structures.from_arrays([[2]], [[[1.0, 0, 0]]])).domain
    assert (domain["bond_prior"], domain["scale"]) == ([1.0, 0.0, 0.0, 0.0], 1.0)


def test_a_condition_that_the_training_part_lacks_is_told(structures: Structures) -> None:
    parts = Geometries.read(structures).parts
    values = np.where(parts == "validation", 1.0, np.nan)
    data = GeometryData(structures.with_columns({"refractivity": values}), conditions=["refractivity"])
    with pytest.raises(ValueError, match="condition 'refractivity' has no value in the training part"):
        _ = data.domain


def test_options_out_of_range_are_told() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        GeometryData("g2", batch_size=0)
    with pytest.raises(ValueError, match="expected each once"):
        GeometryData("g2", conditions=["gap", "gap"])
