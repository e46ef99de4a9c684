"""What AMONs can be made of, and the options that every AMON function shares."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from rdkit import Chem

from molaug.generators.amons.heavy_graph import HeavyGraph

Rules = Literal["molaug", "reference"]


def read_parent(smiles: str) -> Chem.Mol:
    """Parse a SMILES and check that AMONs can be made of the molecule.

    Parameters
    ----------
    smiles
        One molecule.

    Returns
    -------
    rdkit.Chem.Mol
        Sanitised molecule without explicit hydrogens.

    Raises
    ------
    TypeError
        If `smiles` is no string.
    ValueError
        If RDKit cannot read it, or see `check_parent`.
    """
    if not isinstance(smiles, str):
        raise TypeError(f"expected a SMILES string, got {type(smiles).__name__}")
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise ValueError(f"RDKit cannot read the SMILES {smiles!r}: check its brackets, rings and valences")
    if any(sign in smiles for sign in ".[*<>"):  # else there are no hydrogen atoms, isotopes or radicals
        mol = check_parent(mol, smiles)
    if mol.GetNumAtoms() == 0:
        raise ValueError(f"{smiles!r} has no heavy atom: expected a molecule with at least one")
    return mol


def check_parent(mol: Chem.Mol, name: str) -> Chem.Mol:
    """Strip hydrogen atoms and isotopes, and refuse what has no AMONs.

    Parameters
    ----------
    mol
        Sanitised molecule.
    name
        How error messages call it.

    Returns
    -------
    rdkit.Chem.Mol
        The molecule without explicit hydrogens; the heavy atoms keep their order.

    Raises
    ------
    ValueError
        If there is no heavy atom, more than one fragment, a dummy atom, a dative bond or a radical.
    """
    mol = Chem.Mol(mol)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0:
            raise ValueError(f"{name!r} holds a dummy atom (*): expected real elements only")
        if atom.GetNumRadicalElectrons():
            raise ValueError(f"{name!r} is a radical: expected a closed-shell molecule")
        atom.SetIsotope(0)
    if any(int(bond.GetBondType()) > 4 and not bond.GetIsAromatic() for bond in mol.GetBonds()):
        raise ValueError(f"{name!r} has dative or other special bonds: expected single to quadruple and aromatic ones")
    if len(Chem.GetMolFrags(mol)) > 1:
        raise ValueError(f"{name!r} holds several molecules: pass them one by one")
    if all(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms()):
        raise ValueError(f"{name!r} has no heavy atom: expected a molecule with at least one")
    return Chem.RemoveAllHs(mol)


def check_options(max_heavy: Any, rules: Any) -> None:
    """Check the options that every AMON function shares.

    Parameters
    ----------
    max_heavy
        Largest number of heavy atoms of an AMON.
    rules
        Name of the rules.

    Raises
    ------
    TypeError
        If `max_heavy` is no integer.
    ValueError
        If an option has no meaning.
    """
    if rules not in get_args(Rules):
        raise ValueError(f"rules={rules!r} is unknown: expected one of {', '.join(map(repr, get_args(Rules)))}")
    if isinstance(max_heavy, bool) or not isinstance(max_heavy, int | np.integer):
        raise TypeError(f"max_heavy={max_heavy!r} is a {type(max_heavy).__name__}: expected an integer from 1 to 7")
    if not 1 <= max_heavy <= 7:
        raise ValueError(
            f"max_heavy={max_heavy} is out of range: expected 1 to 7 heavy atoms (larger AMONs need further rules)"
        )


def check_charge(graph: HeavyGraph, rules: Rules, name: str) -> None:
    """Refuse the parents that the rules do not cover.

    Parameters
    ----------
    graph
        The parent.
    rules
        The rules.
    name
        How error messages call the parent.

    Raises
    ------
    ValueError
        For an ion under "molaug", for a hypervalent atom under "reference".
    """
    if rules == "molaug" and (total := int(graph.charge.sum())):
        raise ValueError(
            f"{name!r} has the charge {total:+d}: AMONs are neutral; neutralise the molecule first"
            " (zwitterions are accepted)"
        )
    if rules == "reference" and graph.hypervalent.any():
        raise ValueError(
            f"{name!r} holds a hypervalent atom, where the reference stops: use rules='molaug', which keeps S(IV),"
            " S(VI) and P(V) groups whole"
        )
