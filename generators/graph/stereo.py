"""The stereoisomers of a graph that was drawn without stereo."""

from __future__ import annotations

import numpy as np
from rdkit import Chem
from rdkit.Chem.EnumerateStereoisomers import EnumerateStereoisomers, StereoEnumerationOptions
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry import canonical
from molaug.structures.chemistry.identity import parse

#: Stereoisomers of one graph at most; of graphs that have more, so many are drawn.
MAX_ISOMERS = 32


def stereoisomers(smiles: str, rng: np.random.Generator) -> list[str]:
    """Return the stereoisomers of a molecule in random order.

    Every centre and double bond that the SMILES leaves open is set in all ways; nitrogen of three neighbours is no
    centre, since it inverts. Some stereoisomers may have no geometry: the two bridgeheads of a small bicycle, for
    instance, only fit one way.

    Parameters
    ----------
    smiles
        Of the molecule.
    rng
        Draws the order, and which ones where there are more than :data:`MAX_ISOMERS`.

    Returns
    -------
    list of str
        Canonical isomeric SMILES, each once, at least one.

    Raises
    ------
    ValueError
        If the SMILES cannot be read.

    Examples
    --------
    >>> sorted(stereoisomers("CC(O)C(C)O", np.random.default_rng(0)))  # the meso form counts once
    ['C[C@@H](O)[C@@H](C)O', 'C[C@H](O)[C@@H](C)O', 'C[C@H](O)[C@H](C)O']
    """
    mol = parse(smiles)
    if mol is None:
        raise ValueError(f"RDKit cannot read {smiles!r}; expected a SMILES")
    options = StereoEnumerationOptions(
        onlyUnassigned=True, unique=True, tryEmbedding=False, maxIsomers=MAX_ISOMERS, rand=int(rng.integers(1 << 30))
    )
    with BlockLogs():
        found = sorted({canonical(_inverting(isomer)) for isomer in EnumerateStereoisomers(mol, options=options)})
    return [found[k] for k in rng.permutation(len(found))]


def with_hydrogens(smiles: str) -> Chem.Mol:
    """Return a molecule with all its hydrogens, behind the heavy atoms in the order of the SMILES.

    Parameters
    ----------
    smiles
        Canonical.

    Returns
    -------
    rdkit.Chem.Mol
        Without conformers.
    """
    return Chem.AddHs(parse(smiles))


def _inverting(mol: Chem.Mol) -> Chem.Mol:
    copy = Chem.Mol(mol)
    for atom in copy.GetAtoms():
        if atom.GetAtomicNum() == 7 and atom.GetTotalDegree() == 3:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    return copy
