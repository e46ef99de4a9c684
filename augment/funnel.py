"""The funnel: how many rows of each generator reached each stage, and what the others were rejected for."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from molaug.structures import Structures

#: How a reason is cut for counting: numbers and names differ from row to row, the kind of reason does not.
_REASON_LENGTH = 60


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """Counts by generator.

    Parameters
    ----------
    stages
        The authors of reasons, in the order in which they judged.
    proposed
        Rows by generator.
    rejected
        For each generator, rows by the author of their reason.
    reasons
        For each generator, rows by kind of reason.
    base
        Rows of the base: read, labelled, emitted.
    """

    stages: tuple[str, ...]
    proposed: Mapping[str, int]
    rejected: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, Mapping[str, int]]
    base: Mapping[str, int] = field(default_factory=dict)

    @property
    def emitted(self) -> dict[str, int]:
        """New rows in the dataset by generator."""
        return {name: n - sum(self.rejected.get(name, {}).values()) for name, n in self.proposed.items()}

    def table(self) -> list[list[str]]:
        """Return the funnel as rows of text, the first being the header.

        Returns
        -------
        list of list of str
            For each generator the rows proposed and the rows left after each stage, and a line for their sum.
        """
        header = ["generator", "proposed", *(f"after {stage}" for stage in self.stages)]
        lines = [header]
        total = [0] * (len(self.stages) + 1)
        for name, n in self.proposed.items():
            left = [n]
            for stage in self.stages:
                # what a generator rejects of its own stands under its name
                lost = sum(
                    count
                    for author, count in self.rejected.get(name, {}).items()
                    if author == stage or (stage == "generation" and author == name)
                )
                left.append(left[-1] - lost)
            lines.append([name, *map(str, left)])
            total = [a + b for a, b in zip(total, left, strict=True)]
        lines.append(["all", *map(str, total)])
        return lines

    def text(self) -> str:
        """Return the funnel as an aligned table with the commonest reasons below it.

        Returns
        -------
        str
            Several lines.
        """
        table = self.table()
        widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
        lines = [
            "  ".join(
                cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        if self.base:
            lines.append("base: " + ", ".join(f"{count} {what}" for what, count in self.base.items()))
        for name, reasons in self.reasons.items():
            for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:6]:
                lines.append(f"  {name}: {count:>6}  {reason}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return everything as JSON; equal funnels give equal text.

        Returns
        -------
        str
            With the counts of :attr:`emitted`.
        """
        plain: dict[str, Any] = {
            "stages": list(self.stages),
            "proposed": dict(self.proposed),
            "emitted": self.emitted,
            "rejected": {name: dict(sorted(counts.items())) for name, counts in self.rejected.items()},
            "reasons": {name: dict(sorted(counts.items())) for name, counts in self.reasons.items()},
            "base": dict(self.base),
        }
        return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


class Tally:
    """Counts rows as they stream by.

    Parameters
    ----------
    generators
        Names, in the order in which they are shown.
    """

    def __init__(self, generators: Iterable[str]) -> None:
        names = list(generators)
        self.proposed: Counter[str] = Counter(dict.fromkeys(names, 0))
        self.rejected: defaultdict[str, Counter[str]] = defaultdict(Counter, {name: Counter() for name in names})
        self.reasons: defaultdict[str, Counter[str]] = defaultdict(Counter, {name: Counter() for name in names})

    def add(self, rows: Structures) -> None:
        """Count a batch of final rows, those in the dataset and those rejected.

        Parameters
        ----------
        rows
            Of any generators.
        """
        for origin, reason in zip(rows.column("origin"), rows.column("reason"), strict=True):
            self.proposed[origin] += 1
            if reason is not None:
                author = reason.split(":", 1)[0]
                self.rejected[origin][author] += 1
                self.reasons[origin][kind_of(reason)] += 1

    def funnel(self, stages: Iterable[str], base: Mapping[str, int]) -> Funnel:
        """Return the counts.

        Parameters
        ----------
        stages
            The authors of reasons, in the order in which they judged.
        base
            Counts of the base.

        Returns
        -------
        Funnel
            Of all that was added.
        """
        return Funnel(
            stages=tuple(stages), proposed=self.proposed, rejected=self.rejected, reasons=self.reasons, base=base
        )


def kind_of(reason: str) -> str:
    """Return what a reason has in common with others of its kind: it without numbers and names of molecules.

    Parameters
    ----------
    reason
        ``author: text``.

    Returns
    -------
    str
        For counting.

    Examples
    --------
    >>> kind_of("validity: atoms 3 and 7 are 0.82 Å apart")
    'validity: atoms # and # are # Å apart'
    """
    author, _, text = reason.partition(": ")
    # a name in brackets is that of a reference, such as (qm9-keys), and is kept
    named = [w.startswith("(") and w[1:2].islower() for w in text.split()]
    digits = [any(c.isdigit() for c in w) for w in text.split()]
    words = ["#" if d and not n else w for w, d, n in zip(text.split(), digits, named, strict=True)]
    kept = " ".join(word for k, word in enumerate(words) if word != "#" or words[k - 1 : k] != ["#"])
    return f"{author}: {kept if len(kept) <= _REASON_LENGTH else kept[:_REASON_LENGTH].rsplit(' ', 1)[0] + ' …'}"
