"""Chemistry of the record: bonds from coordinates, the identity of molecules, formulas and electrons."""

from molaug.structures.chemistry.connectivity import bonds, same_bonds
from molaug.structures.chemistry.elements import atomic_number, electrons, formula, heavy_atoms, spin_reason, symbols
from molaug.structures.chemistry.identity import Identity, canonical, flat_smiles, identify, parse
from molaug.structures.chemistry.perception import Perceived, lay_graph, perceive, with_smiles
from molaug.structures.chemistry.strict import (
    STRICT_KINDS,
    as_drawn,
    reason_kind,
    strict_reason,
    strict_reasons_of_smiles,
)

__all__ = [
    "STRICT_KINDS",
    "Identity",
    "Perceived",
    "as_drawn",
    "atomic_number",
    "bonds",
    "canonical",
    "electrons",
    "flat_smiles",
    "formula",
    "heavy_atoms",
    "identify",
    "lay_graph",
    "parse",
    "perceive",
    "reason_kind",
    "same_bonds",
    "spin_reason",
    "strict_reason",
    "strict_reasons_of_smiles",
    "symbols",
    "with_smiles",
]
