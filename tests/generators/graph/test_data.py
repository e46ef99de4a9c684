"""What the network is told of the data: frequencies of the training part, batches, standardised conditions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molaug.generators.graph.data import GraphData


class Data:
    """As torch-geometric's: attributes by name."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


NAMES = ["C" * n + tail for n in range(1, 9) for tail in ("O", "N", "=O", "C#N", "F")]


@pytest.fixture(scope="module")
def data() -> GraphData:
    return GraphData(
        [Data(smiles=name, carbons=name.count("C") if k % 3 else np.nan) for k, name in enumerate(NAMES)],
        conditions=["carbons"],
        batch_size=8,
    )


def test_the_domain_counts_the_training_part_and_nothing_else(data: GraphData) -> None:
    molecules, domain = data.molecules, data.domain
    train = [molecules.smiles[k] for k in molecules.part("train")]
    assert 0 < len(train) < len(molecules)
    letters = [letter for name in train for letter in name if letter.isalpha()]
    symbols = [molecules.types.names.index(letter) for letter in letters]
    np.testing.assert_allclose(domain["atom_prior"], np.bincount(symbols, minlength=4) / len(symbols))
    sizes = [sum(letter.isalpha() for letter in name) for name in train]
    np.testing.assert_allclose(domain["size_histogram"], np.bincount(sizes, minlength=11) / len(train))
    # chains: one bond less than atoms, of which those written = and # are double and triple
    pairs = sum(n * (n - 1) // 2 for n in sizes)
    double, triple = (sum(name.count(sign) for name in train) for sign in "=#")
    single = sum(n - 1 for n in sizes) - double - triple
    expected = np.array([pairs - single - double - triple, single, double, triple]) / pairs
    np.testing.assert_allclose(domain["bond_prior"], expected)


def test_conditions_are_standardised_by_the_training_part(data: GraphData) -> None:
    batches = [data.train_dataloader().dataset[k]["condition"] for k in range(len(data.train_rows))]
    values = torch.cat(batches)[:, 0]
    known = values[values.isfinite()]
    assert 0 < len(known) < len(values)
    assert float(known.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(known.std(correction=0)) == pytest.approx(1.0, abs=1e-6)


def test_an_epoch_holds_each_molecule_at_most_once_and_each_epoch_is_shuffled_anew(data: GraphData) -> None:
    loader = data.train_dataloader()
    epochs = [torch.cat([batch["bonds"].flatten(1) for batch in loader]) for _ in range(2)]
    for epoch in epochs:
        assert len(torch.unique(epoch, dim=0)) >= len(epoch) * 0.5  # molecules may share their bonds
        assert len(epoch) == len(data.train_rows) // 8 * 8
    assert not torch.equal(*epochs)


def test_validation_reads_the_validation_part_in_order(data: GraphData) -> None:
    held = data.molecules.part("validation")
    sizes = torch.cat([batch["sizes"] for batch in data.val_dataloader()])
    np.testing.assert_array_equal(sizes.numpy(), data.molecules.graphs.sizes[held])


def test_so_few_molecules_that_a_part_is_empty_are_all_trained_on() -> None:
    data = GraphData([Data(smiles="CCO")])
    assert data.train_rows.tolist() == [0]
    assert next(iter(data.train_dataloader()))["sizes"].tolist() == [3]
    assert next(iter(data.val_dataloader()))["sizes"].tolist() == [3]


def test_single_atoms_have_no_pairs_and_so_no_bonds() -> None:
    assert GraphData([Data(smiles="C")]).domain["bond_prior"] == [1.0, 0.0, 0.0, 0.0]


def test_a_condition_that_the_training_part_lacks_is_told() -> None:
    parts = GraphData([Data(smiles=name) for name in NAMES]).molecules
    held = {parts.smiles[k] for k in parts.part("validation")}
    data = GraphData([Data(smiles=n, gap=1.0 if n in held else np.nan) for n in NAMES], conditions=["gap"])
    with pytest.raises(ValueError, match="condition 'gap' has no value in the training part"):
        _ = data.domain


def test_options_out_of_range_are_told() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        GraphData("g2", batch_size=0)
    with pytest.raises(ValueError, match="expected each once"):
        GraphData("g2", conditions=["gap", "gap"])
