"""RDKit molecules in and out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from rdkit import Chem

from molaug.structures.chemistry import canonical, lay_graph, parse, perceive
from molaug.structures.table import Structures


def from_rdkit(mols: Chem.Mol | Iterable[Chem.Mol], *, origin: str | None = None) -> Structures:
    """Convert RDKit molecules; each conformer becomes a row, a molecule without one becomes a bare graph.

    Parameters
    ----------
    mols
        One or many. Hydrogens that are implicit are added to a bare graph; a molecule with a conformer must hold
        all of them as atoms.
    origin
        Name of the dataset.

    Returns
    -------
    Structures
        Charge and multiplicity follow from formal charges and radical electrons; the SMILES is canonical.

    Raises
    ------
    ValueError
        If a molecule with a 3D conformer has implicit hydrogens.

    Examples
    --------
    >>> from_rdkit(Chem.MolFromSmiles("CO"))
    Structures(1 structure, 6 atoms)
    """
    rows: dict[str, Any] = {k: [] for k in ("numbers", "positions", "charge", "multiplicity", "smiles")}
    for number, mol in enumerate([mols] if isinstance(mols, Chem.Mol) else mols):
        positions: list[Any] = [c.GetPositions() for c in mol.GetConformers()]
        if positions and any(atom.GetTotalNumHs() for atom in mol.GetAtoms()):
            raise ValueError(
                f"molecule {number} ({Chem.MolToSmiles(mol)}) has a conformer but implicit hydrogens; "
                "add them with coordinates first: Chem.AddHs(mol, addCoords=True)"
            )
        smiles = canonical(mol)
        # a bare graph has no order of atoms of its own: that of its canonical SMILES makes equal graphs equal rows
        whole = mol if positions else Chem.AddHs(parse(smiles))
        for x in positions or [None]:
            rows["numbers"].append([atom.GetAtomicNum() for atom in whole.GetAtoms()])
            rows["positions"].append(x)
            rows["charge"].append(Chem.GetFormalCharge(whole))
            rows["multiplicity"].append(1 + sum(atom.GetNumRadicalElectrons() for atom in whole.GetAtoms()))
            rows["smiles"].append(smiles)
    return Structures.from_arrays(**rows, origin=origin)


def to_rdkit(structures: Structures) -> list[Chem.Mol | None]:
    """Convert to RDKit molecules with all hydrogens, atoms in the order of the row.

    Parameters
    ----------
    structures
        Any rows. A known SMILES is laid over the geometry; otherwise bonds are perceived from it.

    Returns
    -------
    list of (rdkit.Chem.Mol or None)
        One for each row, with a conformer where it has positions; None where graph and geometry disagree or no bonds
        could be found (:func:`molaug.structures.chemistry.perceive` gives the reason). ``_Name`` is the id.
    """
    mols: list[Chem.Mol | None] = []
    for s in structures:
        if s.positions is None:
            graph = parse(s.smiles or "")
            mol = None if graph is None else Chem.AddHs(graph)
            if mol is not None and not np.array_equal([a.GetAtomicNum() for a in mol.GetAtoms()], s.numbers):
                mol = None
        elif s.smiles is not None:
            mol = lay_graph(s.smiles, s.numbers, s.positions).mol
        else:
            mol = perceive(s.numbers, s.positions, s.charge, s.multiplicity).mol
        if mol is not None:
            mol.SetProp("_Name", s.id)
        mols.append(mol)
    return mols
