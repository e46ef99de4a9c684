"""Options of the command line as plain values: ``KEY=VALUE``, and those of readers and parts."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import yaml

from molaug.registry import ConfigurationError, nearest
from molaug.structures.datasets import Dataset, open_dataset


def plain(text: str) -> Any:
    """Read a value as YAML does.

    Parameters
    ----------
    text
        As given.

    Returns
    -------
    Any
        A number, a text, a list and so on.

    Raises
    ------
    ConfigurationError
        If it is no YAML.

    Examples
    --------
    >>> plain("0.2"), plain("[a, b]"), plain("d-optimal")
    (0.2, ['a', 'b'], 'd-optimal')
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{text!r} cannot be read; expected a value as in YAML, quotes around texts"
        ) from error


def pair(text: str) -> tuple[str, Any]:
    """Read ``KEY=VALUE``.

    Parameters
    ----------
    text
        As given.

    Returns
    -------
    key : str
        Not empty.
    value : Any
        See :func:`plain`.

    Raises
    ------
    ConfigurationError
        If there is no key or no ``=``.

    Examples
    --------
    >>> pair("amons.max_heavy=5")
    ('amons.max_heavy', 5)
    """
    key, equals, given = text.partition("=")
    if not equals or not key:
        raise ConfigurationError(f"{text!r}; expected KEY=VALUE")
    return key, plain(given)


def part(name: str, texts: Sequence[str], *, owner: str | None = None) -> str | dict[str, dict[str, Any]]:
    """Return the specification of one part, as :func:`molaug.registry.build` takes it.

    Parameters
    ----------
    name
        Of the part.
    texts
        Its options as ``KEY=VALUE``.
    owner
        Take only the options ``OWNER.KEY=VALUE``.

    Returns
    -------
    str or dict
        The name alone where it has no options.

    Examples
    --------
    >>> part("potential", ["features.average=false", "model.checkpoint=mine"], owner="features")
    {'potential': {'average': False}}
    """
    options = dict(map(pair, texts))
    if owner is not None:
        options = {key.removeprefix(f"{owner}."): given for key, given in options.items() if owns(owner, key)}
    return {name: options} if options else name


def with_options(specs: Sequence[Any], texts: Sequence[str], against: Sequence[str] | None) -> list[Any]:
    """Return the specifications of several parts with more options.

    Parameters
    ----------
    specs
        Names, or mappings of one name to options.
    texts
        ``NAME.KEY=VALUE``.
    against
        Indices of known molecules, an option of the filter ``redundancy``.

    Returns
    -------
    list
        One for each part, in order.

    Raises
    ------
    ConfigurationError
        If an option belongs to none of them.

    Examples
    --------
    >>> with_options(["amons", "conformers"], ["amons.max_heavy=5"], None)
    [{'amons': {'max_heavy': 5}}, 'conformers']
    """
    known = {name_of(spec): dict(_options(spec)) for spec in specs}
    for text in texts:
        key, given = pair(text)
        owner, _, option = key.partition(".")
        if owner not in known:
            raise ConfigurationError(f"--set {text}: no part {owner!r} is used; {nearest(owner, list(known))}")
        known[owner][option] = given
    if against:
        if "redundancy" not in known:
            raise ConfigurationError("--against needs the filter redundancy; add it to --filters")
        known["redundancy"]["against"] = list(against)
    return [{name: options} if options else name for name, options in known.items()]


def name_of(spec: Any) -> str:
    """Return the name of a part.

    Parameters
    ----------
    spec
        The name, or a mapping of it to options.

    Returns
    -------
    str
        The name.
    """
    return spec if isinstance(spec, str) else str(next(iter(spec)))


def owns(owner: str, key: str) -> bool:
    """Return whether a key is of the form ``OWNER.KEY``.

    Parameters
    ----------
    owner
        Name of a part.
    key
        A key, or a whole option.

    Returns
    -------
    bool
        Whether the key is the owner's.
    """
    return key.partition("=")[0].startswith(f"{owner}.")


def check_owners(texts: Sequence[str], owners: Sequence[str]) -> None:
    """Check that every option belongs to a part.

    Parameters
    ----------
    texts
        ``OWNER.KEY=VALUE``.
    owners
        Names of the parts.

    Raises
    ------
    ConfigurationError
        If one does not.
    """
    for text in texts:
        given, dot, _ = text.partition("=")[0].partition(".")
        if given not in owners or not dot:
            raise ConfigurationError(f"--set {text}: {nearest(given, list(owners))}; expected PART.KEY=VALUE")


def reader_options(arguments: Namespace) -> dict[str, Any]:
    """Return the options of the reader of a source.

    Parameters
    ----------
    arguments
        With ``option`` and ``format``.

    Returns
    -------
    dict
        Names and values.
    """
    options = dict(map(pair, arguments.option))
    return {**options, "format": arguments.format} if arguments.format else options


def opened(arguments: Namespace) -> Dataset:
    """Open the source.

    Parameters
    ----------
    arguments
        With ``source``, ``option`` and ``format``.

    Returns
    -------
    Dataset
        Not read yet.
    """
    return open_dataset(arguments.source, **reader_options(arguments))


def _options(spec: Any) -> dict[str, Any]:
    return {} if isinstance(spec, str) else (next(iter(spec.values())) or {})
