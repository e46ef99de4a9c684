"""Which samples are molecules: as drawn, and under the looser rules that published figures rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.evaluation.samples import Samples
from molaug.structures.chemistry import canonical, strict_reason

#: Lowest valence of the elements that the relaxed rule may charge, by atomic number.
_CHARGEABLE = {7: 3, 8: 2, 16: 2}


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """What is said of each sample.

    Parameters
    ----------
    reasons
        Why it is not strictly valid, None where it is; of length n, as all others.
    names
        Canonical SMILES without stereo of what RDKit parses; None elsewhere.
    parsed
        RDKit reads and sanitises it by its defaults, clean-ups included; fragments, charges and radicals may be there.
    relaxed
        The rule of DiGress finds a molecule in it, see :func:`relaxed_smiles`.
    ions
        Parsed, and some atom has a formal charge.
    charged
        Parsed, and the net charge is not zero.
    """

    reasons: tuple[str | None, ...]
    names: tuple[str | None, ...]
    parsed: NDArray[np.bool_]
    relaxed: NDArray[np.bool_]
    ions: NDArray[np.bool_]
    charged: NDArray[np.bool_]

    @property
    def strict(self) -> NDArray[np.bool_]:
        """Where a sample is valid as drawn, shape (n,)."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)

    def strict_names(self) -> list[str]:
        """Return the names of the strictly valid samples, in their order, repeated where they repeat.

        Returns
        -------
        list of str
            Canonical SMILES without stereo.
        """
        pairs = zip(self.names, self.reasons, strict=True)
        return [name for name, reason in pairs if reason is None and name is not None]


def judge(samples: Samples) -> Judgement:
    """Judge every sample.

    Parameters
    ----------
    samples
        As they were read.

    Returns
    -------
    Judgement
        In their order.
    """
    reasons: list[str | None] = []
    names: list[str | None] = []
    flags = np.zeros((4, len(samples)), dtype=bool)  # parsed, relaxed, ions, charged
    for k, (mol, unread) in enumerate(zip(samples.mols, samples.reasons, strict=True)):
        reason = unread if mol is None else strict_reason(mol)
        whole = None if mol is None else _sanitised(mol)
        name = None if whole is None else _name(whole)
        if name is None and reason is None:
            reason = "sanitization: no canonical SMILES"
        reasons.append(reason)
        names.append(name)
        if whole is not None:
            charges = [whole.GetAtomWithIdx(index).GetFormalCharge() for index in range(whole.GetNumAtoms())]
            flags[:, k] = True, False, any(charges), sum(charges) != 0
        # a strictly valid molecule exceeds no valence and is its own largest fragment
        flags[1, k] = reason is None or (mol is not None and relaxed_smiles(mol) is not None)
    return Judgement(
        reasons=tuple(reasons), names=tuple(names), parsed=flags[0], relaxed=flags[1], ions=flags[2], charged=flags[3]
    )


def relaxed_smiles(mol: Chem.Mol) -> str | None:
    """Return the molecule that the relaxed rule of DiGress finds in a sample.

    Neutral N, O and S whose bonds exceed their lowest valence by one get the charge +1; then the largest fragment is
    taken for the molecule, with the hydrogens and clean-ups that RDKit adds (C. Vignac et al., arXiv:2209.14734, report
    validity by it). It stands beside strict validity for comparison with the literature.

    Parameters
    ----------
    mol
        As drawn; it is left as it is.

    Returns
    -------
    str or None
        Canonical SMILES; None where even so there is no molecule.

    Examples
    --------
    >>> from molaug.structures.chemistry import as_drawn
    >>> relaxed_smiles(as_drawn("CN(C)(C)C.O")), relaxed_smiles(as_drawn("C(C)(C)(C)(C)C"))
    ('C[N+](C)(C)C', None)
    """
    if not mol.GetNumAtoms():
        return None
    copy = Chem.Mol(mol)
    with BlockLogs():
        for problem in Chem.DetectChemistryProblems(copy, sanitizeOps=int(Chem.SanitizeFlags.SANITIZE_PROPERTIES)):
            if problem.GetType() != "AtomValenceException":
                continue
            atom = copy.GetAtomWithIdx(problem.GetAtomIdx())
            valence = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds()) + atom.GetNumExplicitHs()
            lowest = _CHARGEABLE.get(atom.GetAtomicNum())
            if lowest is not None and not atom.GetFormalCharge() and valence - lowest == 1:
                atom.SetFormalCharge(1)
        fragments = Chem.GetMolFrags(copy, asMols=True, sanitizeFrags=False)
        largest = max(fragments, key=lambda fragment: fragment.GetNumAtoms())  # the first of equals
        if Chem.SanitizeMol(largest, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
            return None
        return str(Chem.MolToSmiles(largest))


def _sanitised(mol: Chem.Mol) -> Chem.Mol | None:
    if not mol.GetNumAtoms():
        return None
    copy = Chem.Mol(mol)
    with BlockLogs():
        failed = Chem.SanitizeMol(copy, catchErrors=True)
    return copy if failed == Chem.SanitizeFlags.SANITIZE_NONE else None


def _name(mol: Chem.Mol) -> str | None:
    try:
        return canonical(mol, isomeric=False)
    except (ValueError, RuntimeError):
        return None
