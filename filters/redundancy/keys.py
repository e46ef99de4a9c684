"""The keys of molecules: 64 bits of blake2b over a canonical name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry import parse
from molaug.structures.hashing import keys64

#: ``flat`` is the canonical SMILES without stereo, ``isomeric`` the one with it, ``inchikey`` the standard InChIKey
#: (mobile hydrogens merged) and ``skeleton`` its first block, which leaves out stereo and isotopes.
Kind = Literal["flat", "isomeric", "inchikey", "skeleton"]

#: All kinds of names, in the order in which they are stored.
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Before the SMILES that stands in for an InChIKey that cannot be made; no InChIKey has a space.
WITHOUT_INCHIKEY = "SMILES "

#: A SMILES is written and read at most this often before it counts as canonical.
_ROUNDS = 5


def name(smiles: str, kind: Kind = "flat") -> str | None:
    """Return the canonical name of a molecule.

    Parameters
    ----------
    smiles
        Any SMILES; one that is canonical already costs one parse and one write.
    kind
        Which name.

    Returns
    -------
    str or None
        None where RDKit cannot read the SMILES. Where InChI cannot name a molecule (dative bonds), its SMILES takes the
        place of the InChIKey, after :data:`WITHOUT_INCHIKEY`.

    Examples
    --------
    >>> name("OC[C@H](C)F"), name("OC[C@H](C)F", "isomeric"), name("C(C")
    ('CC(F)CO', 'C[C@H](F)CO', None)
    """
    return names(smiles, (kind,))[0]


@lru_cache(maxsize=65536)
def names(smiles: str, kinds: tuple[Kind, ...] = KINDS) -> tuple[str | None, ...]:
    """Return several canonical names of a molecule that is read once.

    Parameters
    ----------
    smiles
        Any SMILES.
    kinds
        Which names.

    Returns
    -------
    tuple of (str or None)
        One for each kind.

    Examples
    --------
    >>> names("OCC", ("flat", "inchikey"))
    ('CCO', 'LFQSCWFLJHTTHZ-UHFFFAOYSA-N')
    """
    mol = parse(smiles)
    return tuple(None if mol is None else _name(mol, smiles, kind) for kind in kinds)


def molecule_keys(smiles: Sequence[str | None], kind: Kind = "flat") -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the keys of many molecules.

    Parameters
    ----------
    smiles
        Any SMILES; None for an unknown molecule.
    kind
        Which name is hashed.

    Returns
    -------
    keys : NDArray[np.uint64]
        Shape (n,), 0 where there is no name.
    known : NDArray[np.bool_]
        Whether there is one, shape (n,).

    Examples
    --------
    >>> keys, known = molecule_keys(["CCO", "OCC", "C(C"])
    >>> bool(keys[0] == keys[1]), known.tolist()
    (True, [True, True, False])
    """
    found = [None if text is None else name(text, kind) for text in smiles]
    known = np.array([text is not None for text in found], dtype=bool)
    keys = np.zeros(len(found), dtype=np.uint64)
    keys[known] = keys64([text for text in found if text is not None])
    return keys, known


def _name(mol: Chem.Mol, smiles: str, kind: Kind) -> str | None:
    text: str | None
    with BlockLogs():
        if kind in ("inchikey", "skeleton"):
            key: str = Chem.MolToInchiKey(mol)
            if not key:  # dative bonds and much else that InChI does not know: equal SMILES are equal molecules
                text = _name(mol, smiles, "isomeric" if kind == "inchikey" else "flat")
                return None if text is None else f"{WITHOUT_INCHIKEY}{text}"
            # the last letter counts added or removed protons: without it acetate would be acetic acid
            return key if kind == "inchikey" else f"{key[:14]}-{key[-1]}"
        isomeric = kind == "isomeric"
        # written and read until it stays the same, as in molaug.structures.chemistry.canonical, but without its search
        # for explicit hydrogens; a text that is canonical as given is done after one round
        for _ in range(_ROUNDS):
            text = Chem.MolToSmiles(mol, isomericSmiles=isomeric)
            if text == smiles:
                break
            again = parse(text)
            if again is None:
                return None
            smiles, mol = text, again
    return smiles
