"""The frozen definitions by which generated molecules are evaluated; figures of one version may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from rdkit import Chem

#: Version of every definition of this package. It stands in each result; whoever changes a definition raises it.
#: Since 2 radicals are perceived as such, and all mesomeric forms of a molecule have one name.
PROTOCOL: Final = "2"

#: Molecules of each part of the reference whose distributions are compared at most: those of the lowest keys, which
#: are a random sample whatever the order of the file. About as many as are usually sampled, so that noise is alike.
REFERENCE_SIZE: Final = 10_000

#: Atoms of a geometry that are nearer than this part of the sum of their covalent radii are no molecule's; the closest
#: bonds of QM9 have 0.78.
CLASH: Final = 0.65

#: Version of the definitions that rest on geometries; those of molecular graphs have :data:`PROTOCOL`.
GEOMETRY_PROTOCOL: Final = "2"

#: Shortest and longest bond of a strictly valid geometry, as multiples of the sum of the covalent radii; 20,000
#: molecules of QM9 have 0.78 to 1.09, a few strained ones up to 1.23.
BOND_RANGE: Final = (0.7, 1.25)

#: Nearest that two atoms may come in one that are neither bonded nor share a neighbour, likewise: where distances end
#: that could be bonds. The nearest in 20,000 molecules of QM9 is 1.55.
CONTACT: Final = 1.3

#: Held-out geometries of the reference that are measured at most, those of the molecules of the lowest keys; one half
#: is what samples are compared with, the other tells what distance is due to chance.
REFERENCE_GEOMETRIES: Final = 10_000

#: Values of one type on either side below which its distribution is not compared.
FEWEST_VALUES: Final = 20

#: Most heavy atoms that are counted apart; larger molecules share the last class.
MAX_HEAVY: Final = 40
#: Most independent rings that are counted apart, and the largest ring.
MAX_RINGS: Final = 8
MAX_RING_SIZE: Final = 12

#: Elements that are counted apart; hydrogen is not counted, others share a last class.
ELEMENTS: Final = ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I")

#: Orders of the bonds between heavy atoms, by RDKit's perception of aromaticity; others share a last class.
BOND_ORDERS: Final = ("single", "double", "triple", "aromatic")

#: Quantiles of the synthetic accessibility.
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

#: What one molecule may contain several of: each group counts once for each molecule that has it.
FUNCTIONAL_GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alcohol": "[OX2H][CX4]",
        "phenol or enol": "[OX2H][$(c),$([CX3]=[CX3])]",
        "ether": "[OX2;H0;!r3]([#6;!$(C=[O,N,S])])[#6;!$(C=[O,N,S])]",
        "epoxide": "C1OC1",
        "aldehyde": "[$([CX3;H1][#6]),$([CX3;H2])]=[OX1]",
        "ketone": "[#6][CX3](=[OX1])[#6]",
        "carboxylic acid": "[CX3](=[OX1])[OX2H]",
        "ester": "[CX3;$(C[#6]),H1](=[OX1])[OX2H0][#6]",
        "amide": "[CX3;$(C[#6]),H1](=[OX1])[NX3]",
        "carbamate": "[OX2][CX3](=[OX1])[NX3]",
        "urea": "[NX3][CX3](=[OX1])[NX3]",
        "primary amine": "[NX3;H2;!$(N[#6]=[O,N,S])][#6]",
        "secondary amine": "[NX3;H1;!r3;!$(N[#6]=[O,N,S])]([#6])[#6]",
        "tertiary amine": "[NX3;H0;!r3;!$(N[#6]=[O,N,S])]([#6])([#6])[#6]",
        "aziridine": "C1NC1",
        "imine": "[CX3;!$(C[N,O])]=[NX2;!$(N[N,O])]",
        "amidine": "[NX3][CX3]=[NX2]",
        "imidate": "[OX2][CX3]=[NX2]",
        "oxime": "[CX3]=[NX2][OX2]",
        "hydrazone or azine": "[CX3]=[NX2][#7]",
        "hydrazine": "[NX3][NX3]",
        "hydroxylamine": "[NX3;!$([N+])][OX2]",
        "azo": "[NX2]=[NX2]",
        "nitrile": "[CX2]#[NX1]",
        "alkyne": "[CX2]#[CX2]",
        "alkene": "[CX3]=[CX3]",
        "cumulene": "[CX2](=*)=*",
        "nitro": "[$([NX3+](=[OX1])[O-])]",
        "other ion": "[$([+,-]);!$([NX3+](=[OX1])[O-]);!$([O-][NX3+]=[OX1])]",
        "fluoride": "[#6]F",
        "other halide": "[#6][Cl,Br,I]",
        "thiol or sulfide": "[SX2]",
        "aromatic carbocycle": "c1ccccc1",
        "aromatic heterocycle": "[n,o,s]",
        "cyclopropane": "C1CC1",
        "cyclobutane": "C1CCC1",
    }
)


@cache
def group_queries() -> tuple[Chem.Mol, ...]:
    """Return the functional groups as queries, in the order of the table.

    Returns
    -------
    tuple of rdkit.Chem.Mol
        One for each of :data:`FUNCTIONAL_GROUPS`.
    """
    return tuple(Chem.MolFromSmarts(smarts) for smarts in FUNCTIONAL_GROUPS.values())
