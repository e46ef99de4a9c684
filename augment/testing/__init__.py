"""Contracts of generators, filters, selectors and labellers, for the parts of molaug and for anyone's own.

Each function runs a part through every clause of its protocol and raises :class:`AssertionError`, naming the clause,
what was found and in which row.

Examples
--------
>>> from molaug.generators.conformers import Conformers
>>> from molaug.structures import Structures
>>> from rdkit import Chem
>>> alkanes = Structures.concat(Structures.from_rdkit(Chem.MolFromSmiles(s)) for s in ("CC", "CCC"))
>>> check_generator(Conformers(), alkanes, n=3, processes=0)
"""

from molaug.testing.clauses import SCORE_TOLERANCE, Invariance
from molaug.testing.filters import check_filter
from molaug.testing.generators import check_generator
from molaug.testing.labellers import check_labeller
from molaug.testing.selectors import check_selector

__all__ = ["SCORE_TOLERANCE", "Invariance", "check_filter", "check_generator", "check_labeller", "check_selector"]
