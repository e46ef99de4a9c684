"""The growth of a tree: rows are tried together and settled in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from molaug.generators.perturb.duplicates import Known
from molaug.generators.perturb.evaluation import Surfaces
from molaug.generators.perturb.tree import Node, choice_probabilities, chosen
from molaug.generators.perturb.walk import Proposal, Rules, walk
from molaug.structures import Structure
from molaug.structures.calculators import Method
from molaug.structures.hashing import content_key


@dataclass(kw_only=True)
class Row:
    """A row in the making.

    Parameters
    ----------
    number
        In the stream of the parent.
    attempts
        Made so far.
    calls
        Force calls of all attempts.
    grown_from
        Node of the last attempt.
    proposal
        Of the last attempt; None if it was refused.
    refused
        Reasons why attempts were refused, and how often.
    """

    number: int
    attempts: int = 0
    calls: int = 0
    grown_from: Node | None = None
    proposal: Proposal | None = None
    refused: Counter[str] = field(default_factory=Counter)

    def refuse(self, reason: str) -> None:
        """Drop the last attempt.

        Parameters
        ----------
        reason
            Why.
        """
        self.refused[reason] += 1
        self.proposal = None

    @property
    def reason(self) -> str | None:
        """Why there is no geometry, with the number of attempts for each cause; None if there is one."""
        return None if self.proposal is not None else f"none in {self.attempts} attempts: {self.causes}"

    @property
    def causes(self) -> str | None:
        """Why attempts were refused, with their number, most frequent first; None if none was."""
        causes = sorted(self.refused.items(), key=lambda cause: (-cause[1], cause[0]))
        return ", ".join(f"{cause} ({count})" for cause, count in causes) or None


class Growth:
    """A tree that grows row by row.

    Parameters
    ----------
    structure
        The molecule in the geometry of the root.
    root
        The root of the tree.
    lowest
        Energy of the root in eV.
    method
        Where energies and forces come from.
    rules
        How walks go.
    known
        Geometries that rows must not repeat, the root among them; None lets them.
    beta
        Weight of the Boltzmann factor where a node is chosen.
    attempts
        Most attempts for a row.
    rng_of
        The stream of an attempt, from the number of the row and of the attempt.
    duplicate
        What is said of rows that are known.
    """

    def __init__(
        self,
        structure: Structure,
        root: Node,
        lowest: float,
        method: Method,
        rules: Rules,
        *,
        known: Known | None,
        beta: float,
        attempts: int,
        rng_of: Callable[[int, int], np.random.Generator],
        duplicate: str,
    ) -> None:
        self.nodes = [root]
        self._structure, self._lowest, self._method, self._rules = structure, lowest, method, rules
        self._known, self._beta, self._attempts = known, beta, attempts
        self._rng_of, self._duplicate = rng_of, duplicate

    def grow(self, numbers: Sequence[int]) -> list[Row]:
        """Make rows from the nodes that the tree has now, and let them into it.

        All rows that still want one make an attempt, together. They are settled in their order: a row whose turn it
        is enters the tree if its geometry is new, tries again if not, and fails after the last attempt. So a row
        depends on those before it, and on none behind it.

        Parameters
        ----------
        numbers
            Of the rows, ascending.

        Returns
        -------
        list of Row
            All settled.

        Raises
        ------
        SamplingError
            If a force field cannot describe the molecule.
        """
        rows = [Row(number=number) for number in numbers]
        probabilities = choice_probabilities(
            [node.energy for node in self.nodes],
            [node.generation for node in self.nodes],
            temperature=self._rules.temperature,
            beta=self._beta,
        )
        settled = 0
        with Surfaces(self._method, self._structure, len(rows)) as surfaces:
            while settled < len(rows):
                trying = [k for k, row in enumerate(rows) if k >= settled and self._wants(row)]
                self._attempt(rows, trying, probabilities, surfaces)
                while settled < len(rows) and self._settle(rows[settled]):
                    settled += 1
        return rows

    def _wants(self, row: Row) -> bool:
        return row.proposal is None and row.attempts < self._attempts

    def _attempt(
        self,
        rows: list[Row],
        trying: list[int],
        probabilities: NDArray[np.float64],
        surfaces: Surfaces,
    ) -> None:
        if not trying:
            return
        rngs = [self._rng_of(rows[k].number, rows[k].attempts) for k in trying]
        places = np.array(trying)
        for k, rng in zip(trying, rngs, strict=True):
            # nodes of these rows stand behind those that have a probability
            rows[k].grown_from = self.nodes[chosen(probabilities, rng.random())]
            rows[k].attempts += 1
        begin = np.array([row.grown_from.positions for row in (rows[k] for k in trying) if row.grown_from is not None])
        proposals = walk(begin, rngs, self._rules, lambda k, x: surfaces(places[k], x), self._lowest)
        for k, proposal in zip(trying, proposals, strict=True):
            rows[k].proposal = proposal
            rows[k].calls += proposal.calls
            if proposal.reason is not None:
                rows[k].refuse(proposal.reason)

    def _settle(self, row: Row) -> bool:
        """Decide about the next row; false if it must try again."""
        proposal, origin = row.proposal, row.grown_from
        if proposal is not None and self._known is not None and self._known.find(proposal.positions) is not None:
            row.refuse(self._duplicate)
            proposal = None
        if proposal is None or origin is None:
            return row.attempts >= self._attempts
        if self._known is not None:
            self._known.add(proposal.positions)
        parent = self._structure
        self.nodes.append(
            Node(
                id=content_key(parent.numbers, proposal.positions, parent.charge, parent.multiplicity),
                positions=proposal.positions,
                energy=proposal.energy,
                generation=origin.generation + 1,
            )
        )
        return True
