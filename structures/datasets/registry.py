"""The datasets that molaug knows by name: a card for each, and which reader takes which files."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from molaug.structures.datasets.card import Card, parse_yaml


class KnownDataset(BaseModel):
    """A dataset known by name.

    ``reader`` is a format of :func:`molaug.structures.datasets.open_dataset`, ``options`` go to it, and ``files`` are
    the names under which the data are looked for in ``$MOLAUG_DATA`` and its folder ``<name>``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    card: Card
    reader: str
    options: dict[str, Any] = Field(default_factory=dict)
    files: list[str] = Field(default_factory=list)


@lru_cache(maxsize=1)
def _registry() -> dict[str, KnownDataset]:
    found = {}
    folder = resources.files("molaug.structures.datasets") / "cards"
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            mapping = parse_yaml(entry.read_text(encoding="utf-8"), entry.name)
            card = Card.from_mapping(mapping.pop("card", {}), entry.name)
            found[card.name] = KnownDataset(card=card, **mapping)
    return found


def known() -> list[KnownDataset]:
    """Return the datasets that molaug knows by name.

    Returns
    -------
    list of KnownDataset
        In alphabetical order.

    Examples
    --------
    >>> [entry.card.name for entry in known()][:3]
    ['agz7', 'ani1', 'ani1ccx']
    """
    return list(_registry().values())


def known_dataset(name: str) -> KnownDataset:
    """Return one known dataset.

    Parameters
    ----------
    name
        For instance ``"qm9"``.

    Returns
    -------
    KnownDataset
        Its card and reader.

    Raises
    ------
    KeyError
        If there is none of that name; the message lists those that there are.
    """
    registry = _registry()
    if name not in registry:
        near = get_close_matches(name.lower(), registry, n=1)
        raise KeyError(
            f"no known dataset {name!r}"
            + (f", did you mean {near[0]!r}?" if near else "")
            + f"; known: {', '.join(registry)}"
        )
    return registry[name]
