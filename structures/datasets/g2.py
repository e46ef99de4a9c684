"""The G2 set of 162 small molecules, which ships with ASE: the dataset that is always at hand."""

from __future__ import annotations

from collections.abc import Iterator

from ase.collections import g2

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.dataset import Dataset
from molaug.structures.datasets.graphs import settle_graph
from molaug.structures.datasets.registry import known_dataset
from molaug.structures.datasets.rows import Row, assemble
from molaug.structures.table import Structures


def read_g2() -> Dataset:
    """Read the G2 set: MP2(full)/6-31G(d) geometries without labels.

    Multiplicities follow from the magnetic moments that ASE gives.

    Returns
    -------
    Dataset
        162 rows; a molecule whose bonds cannot be perceived is kept without a SMILES and noted in the audit.
    """

    def stream(audit: Audit) -> Iterator[Structures]:
        return assemble(_rows(audit), audit, origin="g2")

    return Dataset(card=known_dataset("g2").card, stream=stream, audit=Audit(source="g2 (ase.collections)"))


def _rows(audit: Audit) -> Iterator[Row]:
    for name in g2.names:
        audit.rows_read += 1
        atoms = g2[name]
        unpaired = abs(round(float(atoms.get_initial_magnetic_moments().sum())))
        yield Row(
            name=name,
            numbers=atoms.numbers,
            positions=atoms.positions,
            multiplicity=1 + unpaired,
            smiles=settle_graph([], atoms.numbers, atoms.positions, name, audit, multiplicity=1 + unpaired),
            extra={"name": name},
        )
