"""Three-dimensional embedding by distance geometry (ETKDGv3), one seed for each conformer."""

from __future__ import annotations

import math
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdDistGeom
from rdkit.rdBase import BlockLogs


def embed(mol: Chem.Mol, seed: int, count: int, *, attempts: int, timeout: float) -> Chem.Mol:
    """Embed conformers, number k of them from the seed ``seed + k`` alone.

    ETKDGv3 (doi:10.1021/acs.jcim.0c00025) starts from the eigenvectors of a random distance matrix; conformers that
    fail are tried once more from random coordinates, which long chains and cages often need.

    Parameters
    ----------
    mol
        With all hydrogens; its chiral centres and double bonds are embedded as they are marked, those without a mark
        at random. Conformers that it has are left out.
    seed
        Of the first conformer.
    count
        How many.
    attempts
        Tries from either kind of coordinates. They bound the time for small molecules, the same on every machine.
    timeout
        Seconds after which one conformer is given up, from either kind of coordinates.

    Returns
    -------
    rdkit.Chem.Mol
        A copy that holds the conformers under their numbers 0 to ``count`` - 1; those that failed are missing.

    Examples
    --------
    >>> butane = Chem.AddHs(Chem.MolFromSmiles("CCCC"))
    >>> [c.GetId() for c in embed(butane, 7, 3, attempts=30, timeout=10).GetConformers()]
    [0, 1, 2]
    """
    blank = Chem.Mol(mol)
    blank.RemoveAllConformers()
    with BlockLogs():
        whole = _attempt(blank, seed, count, attempts, timeout, random=False)
        found = whole.GetNumConformers()
        if found == count:
            return whole
        # RDKit does not say which ones failed, so where some did each is made again by itself
        retried = Chem.Mol(blank)
        for number in range(count):
            one = _attempt(blank, seed + number, 1, attempts, timeout, random=False) if found else blank
            if not one.GetNumConformers():
                one = _attempt(blank, seed + number, 1, attempts, timeout, random=True)
            for conformer in one.GetConformers():
                conformer.SetId(number)
                retried.AddConformer(conformer)
    return retried


def _attempt(mol: Chem.Mol, seed: int, count: int, attempts: int, timeout: float, *, random: bool) -> Chem.Mol:
    parameters: Any = rdDistGeom.ETKDGv3()  # the stubs do not know that its attributes can be set
    parameters.randomSeed = seed
    parameters.enableSequentialRandomSeeds = True
    parameters.maxIterations = attempts
    parameters.timeout = math.ceil(timeout * count)
    parameters.useRandomCoords = random
    parameters.numThreads = 1
    parameters.embedFragmentsSeparately = False  # else the parts of a complex lie on top of each other
    embedded = Chem.Mol(mol)
    rdDistGeom.EmbedMultipleConfs(embedded, count, parameters)
    return embedded
