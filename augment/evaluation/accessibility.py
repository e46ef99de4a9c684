"""Synthetic accessibility of molecules, by the score of Ertl and Schuffenhauer."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from molaug.structures.chemistry import parse


def accessibility(smiles: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the synthetic accessibility score, from 1 (easy) to 10 (hard).

    That of RDKit's contributions (P. Ertl, A. Schuffenhauer, J. Cheminform. 1, 8 (2009), doi:10.1186/1758-2946-1-8).

    Parameters
    ----------
    smiles
        Molecules, readable.

    Returns
    -------
    NDArray[np.float64] or None
        Shape (n,), NaN where there is no score; None where this RDKit comes without its contributions.
    """
    scorer = _scorer()
    if scorer is None:
        return None
    scores = (scorer.calculateScore(parse(text)) for text in smiles)
    return np.array([np.nan if score is None else score for score in scores], dtype=np.float64)


def _scorer() -> ModuleType | None:
    try:
        from rdkit.Contrib.SA_Score import sascorer  # reads its table of fragments when it is first asked
    except ImportError:
        return None
    module: ModuleType = sascorer
    return module
