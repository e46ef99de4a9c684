"""The configuration file: the same names as the arguments of :class:`molaug.Augmenter`, unknown ones refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from molaug.registry import ConfigurationError, nearest

#: A part by name, or a mapping of its name to its options.
Part = str | dict[str, dict[str, Any] | None]


class Config(BaseModel):
    """What a run's result depends on. Workers and executors are not in it: they change nothing but the time."""

    model_config = ConfigDict(extra="forbid")

    base: str | None = Field(
        default="g2",
        description="The database: a known name (molaug datasets) or a path; null where no generator needs parents.",
    )
    base_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of its reader, for instance level or energy_key."
    )
    max_heavy: int | None = Field(
        default=None, description="Only the molecules of the base with at most so many heavy atoms are parents."
    )
    max_parents: int | Literal["auto", "all"] = Field(
        default="auto",
        description="Rows of the base drawn to be parents; auto: four for each label of the budget, at least 1000.",
    )
    generators: list[Part] = Field(
        default=["amons", "conformers"],
        description="What proposes. 'n' among the options is the number of rows for each parent.",
    )
    filters: list[Part] = Field(default=["validity", "redundancy"], description="What rejects, in order.")
    select: Part = Field(default="stratified", description="What ranks the candidates for the budget.")
    budget: int | None = Field(default=1000, ge=0, description="Structures to label at most; null for all.")
    relax: bool | dict[str, Any] = Field(
        default=False, description="Relax the selected structures first; options of molaug.labels.Relaxation."
    )
    label: str | dict[str, Any] | None = Field(
        default="gfn2-xtb",
        description="Calculator, or options of molaug.labels.Labeller; null leaves the dataset unlabelled.",
    )
    base_labels: Literal["check", "relabel", "mixed"] = Field(
        default="check",
        description="check: the base must be at the level of the new labels; relabel: compute it anew; "
        "mixed: a dataset of several levels.",
    )
    emit: Literal["base+new", "new"] = Field(default="base+new", description="What the dataset holds.")
    formats: list[str] = Field(
        default_factory=list, description="Further formats to export: extxyz, db, ani, sdf, pyg, smiles."
    )
    seed: int = Field(default=0, ge=0, description="The one seed.")
    parents_per_shard: int = Field(
        default=64, ge=1, description="Parents in one shard of proposals; a sixteenth of it for samplers."
    )
    labels_per_shard: int = Field(default=16, ge=1, description="Structures in one shard of labels.")
    parent_time_limit: float | None = Field(default=120.0, description="Seconds for the proposals of one parent.")
    label_time_limit: float | None = Field(default=600.0, description="Seconds for one label.")


def load_config(source: str | Path | dict[str, Any] | None, overrides: dict[str, Any] | None = None) -> Config:
    """Read and check a configuration.

    Parameters
    ----------
    source
        A YAML file, a mapping, or None for the defaults.
    overrides
        Values that take precedence, by name.

    Returns
    -------
    Config
        Complete.

    Raises
    ------
    ConfigurationError
        If the file is not there or not a mapping, a key is unknown, or a value is of the wrong type.

    Examples
    --------
    >>> load_config({"budget": 5}).budget
    5
    """
    values = {**_mapping(source), **(overrides or {})}
    for key in values:
        if key not in Config.model_fields:
            raise ConfigurationError(f"unknown key {key!r}; {nearest(key, list(Config.model_fields))}")
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise ConfigurationError(
            f"{key} is {values.get(key)!r}; {first['msg'].lower()}. {Config.model_fields[key].description}"
        ) from error


def _mapping(source: str | Path | dict[str, Any] | None) -> dict[str, Any]:
    if source is None or isinstance(source, dict):
        return source or {}
    path = Path(source)
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such configuration file")
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is no YAML: {error}") from error
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise ConfigurationError(f"{path} holds {type(read).__name__}; expected a mapping of keys to values")
    return read
