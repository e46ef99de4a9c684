"""What generators do with their parents: read the molecule that a row stands for, and say why it cannot be used."""

from __future__ import annotations

from rdkit import Chem

from molaug.structures import Structure, Structures
from molaug.structures.chemistry import Perceived, formula, lay_graph, parse, perceive


def molecule(parent: Structure) -> Perceived:
    """Return the molecule of a row, hydrogens included.

    A geometry decides the stereo and the order of the atoms; the SMILES of the row, where it has one, is laid over
    it. A bare graph is read from its SMILES, with the stereo that the SMILES gives and no other.

    Parameters
    ----------
    parent
        Any row.

    Returns
    -------
    Perceived
        The molecule, with a conformer where the row has positions, or the reason why there is none.

    Examples
    --------
    >>> methanol = Structures.from_arrays([[6, 8, 1, 1, 1, 1]], None, smiles=["CO"])
    >>> molecule(methanol[0]).mol.GetNumAtoms()
    6
    """
    if parent.positions is None:
        return _checked(_graph(parent), parent)
    if parent.smiles is not None:
        return _checked(lay_graph(parent.smiles, parent.numbers, parent.positions), parent)
    return perceive(parent.numbers, parent.positions, parent.charge, parent.multiplicity)


def rejected(parent: Structure, origin: str, reason: str, seed: int | None = None) -> Structures:
    """Return the one row of a parent that allows nothing.

    Parameters
    ----------
    parent
        The row that could not be used; its atoms, charge, multiplicity and SMILES are kept, its geometry is not.
    origin
        Name of the generator, which also precedes the reason.
    reason
        Why.
    seed
        Random stream of the row.

    Returns
    -------
    Structures
        One rejected bare graph.
    """
    return Structures.from_arrays(
        [parent.numbers],
        None,
        charge=[parent.charge],
        multiplicity=[parent.multiplicity],
        smiles=[parent.smiles],
        origin=origin,
        parent=parent.id,
        seed=seed,
        reason=[f"{origin}: {reason}"],
    )


def check_range(n: int, seed: int, start: int) -> None:
    """Refuse a part of a stream that cannot be.

    Parameters
    ----------
    n
        Rows at most.
    seed
        The seed of the run.
    start
        First row.

    Raises
    ------
    ValueError
        If one of them is negative.
    """
    for name, value in (("n", n), ("seed", seed), ("start", start)):
        if value < 0:
            raise ValueError(f"{name} is {value}; expected an integer of at least 0")


def _graph(parent: Structure) -> Perceived:
    if parent.smiles is None:
        return Perceived(reason="the row has neither a geometry nor a SMILES; give it one of them")
    mol = parse(parent.smiles)
    if mol is None:
        return Perceived(reason=f"RDKit cannot read the graph {parent.smiles!r}")
    whole = Chem.AddHs(mol)
    if sorted(atom.GetAtomicNum() for atom in whole.GetAtoms()) != sorted(parent.numbers.tolist()):
        return Perceived(reason=f"the row is {formula(parent.numbers)}, its graph {parent.smiles} has other atoms")
    return Perceived(mol=whole, smiles=parent.smiles)


def _checked(found: Perceived, parent: Structure) -> Perceived:
    if found.mol is None:
        return found
    charge = Chem.GetFormalCharge(found.mol)
    if charge != parent.charge:
        return Perceived(reason=f"the row has charge {parent.charge}, its graph {parent.smiles} has {charge}")
    return found
