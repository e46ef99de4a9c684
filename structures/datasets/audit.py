"""What a reader or writer did with every row: kept, dropped by reason, or kept with a remark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

#: Names remembered for each reason; the counts are always exact.
MAX_NAMES = 100_000


@dataclass(kw_only=True, slots=True)
class Tally:
    """How many rows share a reason, and which (the first :data:`MAX_NAMES`)."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count one row.

        Parameters
        ----------
        name
            What the source calls the row.
        """
        self.count += 1
        if len(self.names) < MAX_NAMES:
            self.names.append(name)


@dataclass(kw_only=True, slots=True)
class Audit:
    """The account of one pass over a dataset.

    ``rows_read == rows_kept + n_dropped`` holds once the pass is over. ``noted`` counts rows that were kept although
    something about them is worth knowing; ``dropped_columns`` says which columns of the source are not handed on, and
    why; ``detected`` says which conventions were found in the file, and by what evidence; ``remarks`` concern the
    source as a whole.

    Examples
    --------
    >>> audit = Audit(source="demo.xyz")
    >>> audit.rows_read += 2
    >>> audit.keep()
    >>> audit.drop("frame 1", "unreadable: no atoms")
    >>> audit.rows_kept, audit.n_dropped, audit.dropped["unreadable: no atoms"].names
    (1, 1, ['frame 1'])
    """

    source: str = ""
    rows_read: int = 0
    rows_kept: int = 0
    dropped: dict[str, Tally] = field(default_factory=dict)
    noted: dict[str, Tally] = field(default_factory=dict)
    dropped_columns: dict[str, str] = field(default_factory=dict)
    detected: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def keep(self, count: int = 1) -> None:
        """Count rows that are handed on.

        Parameters
        ----------
        count
            How many.
        """
        self.rows_kept += count

    def drop(self, name: str, reason: str) -> None:
        """Count a row that is not handed on.

        Parameters
        ----------
        name
            What the source calls the row.
        reason
            Why; few different texts, so that they can be counted.
        """
        self.dropped.setdefault(reason, Tally()).add(name)

    def drop_many(self, names: Iterable[str], count: int, reason: str) -> None:
        """Count rows that are not handed on, however many a damaged file claims to have.

        Parameters
        ----------
        names
            What the source calls them; only as many as are remembered are taken.
        count
            How many.
        reason
            Why.
        """
        tally = self.dropped.setdefault(reason, Tally())
        tally.count += count
        tally.names += islice(names, max(MAX_NAMES - len(tally.names), 0))

    def note(self, name: str, remark: str) -> None:
        """Count a row that is handed on with a remark.

        Parameters
        ----------
        name
            What the source calls the row.
        remark
            What is worth knowing; few different texts.
        """
        self.noted.setdefault(remark, Tally()).add(name)

    def drop_column(self, name: str, reason: str) -> None:
        """Name a column of the source that is not handed on.

        Parameters
        ----------
        name
            What the source calls the column.
        reason
            Why; few different texts.
        """
        self.dropped_columns.setdefault(name, reason)

    def nothing(self) -> str:
        """Say that no row can be used, and why.

        Returns
        -------
        str
            One line, for an error.
        """
        reasons = "; ".join(f"{tally.count} {reason} ({tally.names[0]})" for reason, tally in self.dropped.items())
        return f"none of {self.rows_read} rows can be used" + (f": {reasons}" if reasons else "")

    @property
    def n_dropped(self) -> int:
        """Rows dropped, for whatever reason."""
        return sum(tally.count for tally in self.dropped.values())

    def clear(self) -> None:
        """Forget everything but the source, before another pass."""
        self.rows_read = self.rows_kept = 0
        for record in (self.dropped, self.noted, self.dropped_columns, self.detected, self.remarks):
            record.clear()

    def table(self) -> list[tuple[str, str, int]]:
        """Return the account as rows.

        Returns
        -------
        list of (str, str, int)
            Kind (``read``, ``kept``, ``dropped``, ``noted``, ``column`` for columns that are not handed on), reason and
            count; the most frequent reasons first.
        """
        rows = [("read", "", self.rows_read), ("kept", "", self.rows_kept)]
        for kind, record in (("dropped", self.dropped), ("noted", self.noted)):
            ordered = sorted(record.items(), key=lambda item: (-item[1].count, item[0]))
            rows += [(kind, reason, tally.count) for reason, tally in ordered]
        reasons = dict.fromkeys(sorted(self.dropped_columns.values()))
        rows += [("column", f"not read: {reason}", len(self._columns(reason))) for reason in reasons]
        return rows

    def _columns(self, reason: str) -> list[str]:
        return [name for name, why in self.dropped_columns.items() if why == reason]

    def __str__(self) -> str:
        lines = [f"audit of {self.source}"]
        for kind, reason, count in self.table():
            if kind == "column":
                names = self._columns(reason.removeprefix("not read: "))
            else:
                names = {"dropped": self.dropped, "noted": self.noted}.get(kind, {}).get(reason, Tally()).names[:3]
            tail = f" ({', '.join(names)}{', …' if count > len(names) else ''})" if names else ""
            lines.append(f"  {kind:<8}{count:>10,}  {reason}{tail}".rstrip())
        lines += [f"  detected  {what}: {found}" for what, found in self.detected.items()]
        lines += [f"  remark    {remark}" for remark in self.remarks]
        return "\n".join(lines)
