"""When no structure gets a label: why, how often, and what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from molaug.labels.labeller import LabelError
from molaug.structures import Structures

#: Whose failures are looked at: a row that was rejected by another was not tried.
Author = Literal["label", "relax"]

#: A reason of the calculator names the class of an error, or what became of its process; others are our own.
_CALCULATOR = re.compile(r"^\w+: (\w+: |took longer than |crashed its process)")

_PATH, _NUMBER = re.compile(r"\S*/\S*"), re.compile(r"[-+]?\d[\w.+-]*")


def same_words(reason: str) -> str:
    """Return a reason without what differs from structure to structure: paths, numbers, where files are kept.

    Parameters
    ----------
    reason
        As it stands in a row.

    Returns
    -------
    str
        Equal for failures of one cause.

    Examples
    --------
    >>> same_words("label: OSError: /tmp/a-1/x.out: line 12 is empty")
    'label: OSError: … line # is empty'
    """
    return _NUMBER.sub("#", _PATH.sub("…", reason.partition(" (its files: ")[0]))


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """What became of structures that were to be labelled.

    Parameters
    ----------
    labelled
        How many succeeded.
    reasons
        Those of the failures, in order.
    """

    labelled: int = 0
    reasons: Sequence[str] = ()

    @classmethod
    def of(cls, batches: Iterable[Structures], *, author: Author) -> Attempts:
        """Count.

        Parameters
        ----------
        batches
            Rows as :func:`~molaug.labels.label` and :func:`~molaug.labels.relax` give them.
        author
            Of the reasons that count; rows that ``relax`` left alive have no energies yet.

        Returns
        -------
        Attempts
            Without rows that had been rejected before.
        """
        labelled, reasons = 0, list[str]()
        for rows in batches:
            labelled += int(rows.alive.sum()) if author == "relax" else sum(e is not None for e in _living(rows))
            reasons += [r for r in rows.column("reason") if r is not None and r.startswith(f"{author}: ")]
        return cls(labelled=labelled, reasons=tuple(reasons))

    @property
    def calculator(self) -> list[str]:
        """The reasons that are of the calculator, not of rows that were refused before or after it was asked."""
        return [reason for reason in self.reasons if _CALCULATOR.match(reason)]

    @property
    def hopeless(self) -> bool:
        """Whether nothing was labelled, and all that the calculator was asked about failed for one reason."""
        return not self.labelled and len({same_words(reason) for reason in self.calculator}) == 1

    def told(self, what: str) -> str:
        """Say in one line what failed, how often, and an example.

        Parameters
        ----------
        what
            Which structures were labelled.

        Returns
        -------
        str
            For a person.
        """
        causes = Counter(map(same_words, self.reasons)).most_common()
        words, count = causes[0]
        example = next(reason for reason in self.reasons if same_words(reason) == words)
        most = "" if len(causes) == 1 else f" for {len(causes)} reasons, {count} of them"
        number = f"{len(self.reasons)} of {len(self.reasons) + self.labelled} {what}"
        return f"{number} failed{most}: {example}"


def stop_if_hopeless(shards: Sequence[Path], limit: int, what: str, *, author: Author) -> bool:
    """Stop where the first structures all fail for one reason of the calculator.

    Shards are looked at in their order up to the first that is missing, so that the verdict is the same whichever was
    finished first.

    Parameters
    ----------
    shards
        Files of labelled rows, those of them that are there.
    limit
        Structures that must have failed; all that there are, if there are fewer. 0 never stops.
    what
        Which structures they are.
    author
        See :meth:`Attempts.of`.

    Returns
    -------
    bool
        Whether all is well and need not be asked again.

    Raises
    ------
    LabelError
        If they do.
    """
    if not limit:
        return True
    reasons: list[str] = []
    for path in shards:
        if not path.exists():
            return False
        found = Attempts.of([Structures.from_parquet(path)], author=author)
        if found.labelled:
            return True
        reasons += found.reasons
        first = Attempts(reasons=[r for r in reasons if _CALCULATOR.match(r)][:limit])
        if len(first.reasons) == limit or (path == shards[-1] and first.reasons):
            if not first.hopeless:
                return True
            raise LabelError(
                f"stopped, as the first {first.told(what)}. All else is kept: correct the cause and run the same "
                "command again (the label options may be changed); label.fail_fast=0 goes on in spite of it"
            )
    return True


def nothing_labelled(shards: Iterable[Path], *, author: Author) -> bool:
    """Tell whether a stage was tried, and no structure at all was labelled.

    Parameters
    ----------
    shards
        Files, of one stage.
    author
        See :meth:`Attempts.of`.

    Returns
    -------
    bool
        False if there are no shards, or none of their rows was tried.
    """
    found = Attempts.of((Structures.from_parquet(path) for path in shards if path.exists()), author=author)
    return not found.labelled and bool(found.reasons)


def _living(rows: Structures) -> list[float | None]:
    return list(rows.filter(rows.alive).column("energy"))
