"""Train, validation and test part of a molecule, decided by the molecule itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.structures.chemistry.identity import parse
from molaug.structures.hashing import keys64

#: Put before the SMILES, so that the split says nothing about any other use of the molecule's key.
_PREFIX = "split:"
#: A SMILES is read and written at most this often before it counts as canonical.
_ROUNDS = 4


def split_of(smiles: Sequence[str], *, validation: float = 0.1, test: float = 0.1) -> NDArray[np.str_]:
    """Return the part of each molecule: ``train``, ``validation`` or ``test``.

    The 64-bit key of the canonical SMILES without stereo, divided by 2⁶⁴, is a number u in [0, 1): below ``test`` the
    molecule is a test molecule, below ``test + validation`` a validation molecule. So it is in the same part
    in every dataset, however it is written and whatever its stereo, and no two parts share a molecule.

    Parameters
    ----------
    smiles
        Any writing of the molecules; they are made canonical here, which costs about 0.3 ms each.
    validation
        Share of the validation part.
    test
        Share of the test part.

    Returns
    -------
    NDArray of str
        Shape (n,), in the order given.

    Raises
    ------
    ValueError
        If the shares are no shares, or RDKit cannot read a SMILES.

    Examples
    --------
    >>> split_of(["OCC", "CCO", "C(O)C"]).tolist()
    ['train', 'train', 'train']
    """
    if not (0 <= validation <= 1 and 0 <= test <= 1 and validation + test <= 1):
        raise ValueError(
            f"validation={validation} and test={test}; expected two shares of at least 0 that sum to at most 1"
        )
    return parts_of_keys(split_keys(smiles), validation=validation, test=test)


def split_keys(smiles: Sequence[str], *, canonical: bool = False) -> NDArray[np.uint64]:
    """Return the keys by which molecules are split; the lowest n of them are a random sample of any set.

    Parameters
    ----------
    smiles
        Any writing of the molecules.
    canonical
        They are canonical and without stereo already, such as ``molaug.structures.chemistry.canonical`` writes them.

    Returns
    -------
    NDArray[np.uint64]
        Shape (n,).

    Raises
    ------
    ValueError
        If RDKit cannot read a SMILES.
    """
    return keys64([_PREFIX + (text if canonical else _canonical_flat(text)) for text in smiles])


def parts_of_keys(keys: NDArray[np.uint64], *, validation: float = 0.1, test: float = 0.1) -> NDArray[np.str_]:
    """Return the part of each key of :func:`split_keys`.

    Parameters
    ----------
    keys
        Shape (n,).
    validation
        Share of the validation part.
    test
        Share of the test part.

    Returns
    -------
    NDArray of str
        Shape (n,).
    """
    # the 53 bits that a float holds: all 64 would be rounded up to 1 at the end
    u = (keys >> np.uint64(11)).astype(np.float64) / 2.0**53  # (n,)
    return np.select([u < test, u < test + validation], ["test", "validation"], "train")


@lru_cache(maxsize=262144)
def _canonical_flat(smiles: str) -> str:
    for _ in range(_ROUNDS):
        mol = parse(smiles)
        if mol is None:
            raise ValueError(f"RDKit cannot read {smiles!r}; leave out what is no molecule before splitting")
        with BlockLogs():
            again: str = Chem.MolToSmiles(mol, isomericSmiles=False)
        if again == smiles:
            break
        smiles = again
    return smiles
