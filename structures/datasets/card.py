"""The card of a dataset: what it holds, at which level of theory, whose it is and how it was made."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

#: Stands among the levels of a card for labels whose level nobody has named.
UNKNOWN_LEVEL = "unknown"


class Property(BaseModel):
    """One property of the rows: the unit of its column and what it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    description: str = ""


class Counts(BaseModel):
    """How much the dataset holds; molecules are counted by canonical SMILES where they are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    structures: int = Field(ge=0)
    molecules: int | None = Field(default=None, ge=0)


class Provenance(BaseModel):
    """How the dataset was made: rows by generator, the command, molaug's version and the seed of the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    origins: dict[str, int] = Field(default_factory=dict)
    command: str | None = None
    version: str | None = None
    seed: int | None = None


class Card(BaseModel):
    """The card of a dataset; unknown keys are refused.

    ``levels`` names the levels of theory of the labels: none for bare structures, several only where the rows say which
    is theirs, ``unknown`` for labels of rows that name none. ``remarks`` say what a user of the labels should know.
    ``atomic_references`` gives for each level the energy of the free atoms in eV. ``files`` maps the files of a dataset
    folder to their sha256.

    Examples
    --------
    >>> card = Card(name="demo", title="A demonstration", properties={"energy": {"unit": "eV"}})
    >>> Card.from_yaml(card.to_yaml()) == card
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    title: str = ""
    description: str = ""
    levels: list[str] = Field(default_factory=list)
    properties: dict[str, Property] = Field(default_factory=dict)
    licence: str | None = None
    citation: list[str] = Field(default_factory=list)
    url: str | None = None
    how_to_get: str | None = None
    counts: Counts | None = None
    elements: list[str] = Field(default_factory=list)
    atomic_references: dict[str, dict[str, float]] = Field(default_factory=dict)
    remarks: list[str] = Field(default_factory=list)
    files: dict[str, str] = Field(default_factory=dict)
    provenance: Provenance | None = None

    @field_validator("elements")
    @classmethod
    def _known_elements(cls, value: list[str]) -> list[str]:
        for symbol in value:
            if not atomic_numbers.get(symbol):
                raise ValueError(f"unknown element {symbol!r}; expected symbols such as 'C' or 'Cl'")
        return value

    @field_validator("atomic_references")
    @classmethod
    def _known_reference_elements(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for references in value.values():
            cls._known_elements(list(references))
        return value

    @classmethod
    def of_file(cls, name: str, path: Path | None, *, level: str | None = None) -> Card:
        """Return the card of a file that has none.

        Parameters
        ----------
        name
            Name of the dataset.
        path
            The file; None for structures in memory.
        level
            Level of theory of the labels, if it is known.

        Returns
        -------
        Card
            With the units that every reader converts to.
        """
        return cls(
            name=name,
            title=f"Structures read from {path.name}" if path else "Structures in memory",
            levels=[level] if level else [],
            properties={"energy": Property(unit="eV"), "forces": Property(unit="eV/Å")},
        )

    def to_yaml(self) -> str:
        """Return the card as YAML; equal cards give equal text.

        Returns
        -------
        str
            Without the keys that hold nothing.
        """
        plain = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)

    @classmethod
    def from_yaml(cls, source: str | Path) -> Card:
        """Read a card.

        Parameters
        ----------
        source
            A path, or YAML text (a text with a line break).

        Returns
        -------
        Card
            The card.

        Raises
        ------
        FileNotFoundError
            If the path does not exist.
        ValueError
            If the text is no YAML mapping, a key is unknown or a value is of the wrong type.
        """
        if isinstance(source, str) and "\n" in source:
            text, where = source, "card"
        else:
            path = Path(source)
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such card; expected a YAML file")
            text, where = path.read_text(encoding="utf-8"), str(path)
        return cls.from_mapping(parse_yaml(text, where), where)

    @classmethod
    def from_mapping(cls, mapping: dict[str, Any], where: str = "card") -> Card:
        """Check a mapping and make the card of it.

        Parameters
        ----------
        mapping
            The fields.
        where
            What is named in the error.

        Returns
        -------
        Card
            The card.

        Raises
        ------
        ValueError
            If a key is unknown or a value is of the wrong type; every fault is listed.
        """
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            faults = "; ".join(_fault(fault, list(cls.model_fields)) for fault in error.errors())
            raise ValueError(f"{where}: {faults}") from error


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse YAML that must be a mapping.

    Parameters
    ----------
    text
        The YAML.
    where
        What is named in the error.

    Returns
    -------
    dict
        The mapping.

    Raises
    ------
    ValueError
        If it is not YAML, or not a mapping.
    """
    try:
        mapping = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(mapping, dict):
        raise ValueError(  # noqa: TRY004 -- the text is at fault, not the type of an argument
            f"{where}: found {type(mapping).__name__}; expected a mapping of keys to values"
        )
    return mapping


def _fault(fault: Any, keys: list[str]) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(str(fault["loc"][-1]), keys, n=1)
        return f"unknown key {place!r}" + (f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(keys)}")
    return f"{place}: {fault['msg']} (given: {fault['input']!r})"
