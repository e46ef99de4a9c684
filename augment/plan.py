"""What a run is to do: every part built and checked."""

from __future__ import annotations

from dataclasses import dataclass

from molaug.filters.filter import Filter, Selector
from molaug.generators.generator import Generator
from molaug.labels import Labeller, Relaxation
from molaug.structures.datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that the stages need, made from an :class:`molaug.Augmenter`."""

    base: Dataset
    max_heavy: int | None
    max_parents: int | None
    generators: tuple[tuple[Generator, int], ...]
    filters: tuple[Filter, ...]
    select: Selector
    budget: int | None
    relax: Relaxation | None
    label: Labeller | None
    base_labels: str
    emit: str
    formats: tuple[str, ...]
    seed: int
    parents_per_shard: int
    labels_per_shard: int
    parent_time_limit: float | None
    label_time_limit: float | None

    @property
    def ordered_filters(self) -> list[Filter]:
        """The filters as they judge: first those that look at each row by itself."""
        return sorted(self.filters, key=lambda judge: not judge.stateless)

    @property
    def stages(self) -> tuple[str, ...]:
        """Authors of reasons in the order in which they judge."""
        middle = [judge.name for judge in self.ordered_filters]
        return (
            "generation",
            *middle,
            "selection",
            *(("relax", "relaxed") if self.relax else ()),
            *(("label",) if self.label else ()),
        )
