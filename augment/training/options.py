"""The options of a training: read from the command line and files, kept in its folder, compared when it goes on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]
from pytorch_lightning import Trainer

from molaug.registry import ConfigurationError, nearest

#: Options of every training that concern neither data nor model.
GENERAL = ("config", "data", "out", "threads", "log", "fresh", "traceback", "early_stopping", "model", "trainer")

#: Options that may differ when a training goes on.
FREE = ("out", "fresh", "config", "threads", "log", "traceback", "workers")

#: Arguments of Lightning's trainer that are not for users to set.
_OURS = {"callbacks", "logger", "default_root_dir", "enable_progress_bar", "enable_model_summary"}
_UNUSED = {"enable_checkpointing", "barebones", "model_registry", "enable_autolog_hparams", "fast_dev_run"}


def parse(what: str, options: Sequence[str], *, data: type, model: type) -> Namespace:
    """Parse the options of a training.

    Parameters
    ----------
    what
        What is trained; the default name of the folder.
    options
        As on the command line; ``-`` and ``_`` are the same in names.
    data
        Class of the data module; its options stand at the top.
    model
        Class of the module; its options are called ``--model.…``.

    Returns
    -------
    Namespace
        Checked, defaults included.

    Raises
    ------
    ConfigurationError
        If an option is unknown, missing or of the wrong type.
    """
    parser = _parser(what, data, model)
    try:
        return parser.parse_args([_underscored(text) for text in options])
    except argparse.ArgumentError as error:
        raise ConfigurationError(_message(str(error), parser)) from error


def written(options: Namespace, path: Path, facts: Mapping[str, Any]) -> None:
    """Keep the options of a training.

    Parameters
    ----------
    options
        As parsed.
    path
        A YAML file.
    facts
        What else must be the same when the training goes on.
    """
    path.write_text(yaml.safe_dump(_kept(options, facts), sort_keys=True))


def differences(options: Namespace, path: Path, facts: Mapping[str, Any]) -> list[str]:
    """Tell what has changed since a training began.

    Parameters
    ----------
    options
        As parsed.
    path
        The file that :func:`written` wrote.
    facts
        See :func:`written`.

    Returns
    -------
    list of str
        One clause for each option; an option that one of the two does not know counts as the same.
    """
    before, now = _flat(yaml.safe_load(path.read_text()) or {}), _flat(_kept(options, facts))
    return [
        f"{name} was {before[name]!r}, is now {now[name]!r}"
        for name in sorted(set(before) & set(now))
        if before[name] != now[name]
    ]


def _parser(what: str, data: type, model: type) -> ArgumentParser:
    described = (model.__doc__ or "").strip().splitlines()[0]
    parser = ArgumentParser(prog=f"molaug fit {what}", description=described, exit_on_error=False)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these options")
    parser.add_argument("--data", nargs="+", required=True, help="known names or paths")
    parser.add_argument("--out", default=what, help="folder of the checkpoint")
    parser.add_argument("--threads", type=int, help="threads on the CPU; by default all cores")
    parser.add_argument("--log", choices=("csv", "tensorboard"), default="csv", help="format of the log")
    parser.add_argument("--fresh", action="store_true", help="begin anew instead of going on")
    parser.add_argument(
        "--early_stopping", type=int, help="stop after so many validations without a better error; by default never"
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    parser.add_class_arguments(data, None, skip={"source", "cache"})
    parser.add_class_arguments(model, "model", skip={"domain"})
    parser.add_class_arguments(Trainer, "trainer", skip=_OURS | _UNUSED)
    parser.set_defaults({"trainer.gradient_clip_val": 1.0, "trainer.max_epochs": 100})
    return parser


def _underscored(text: str) -> str:
    name, equals, value = text.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value if re.match(r"--[a-z]", text) else text


def _message(text: str, parser: ArgumentParser) -> str:
    """Add the nearest option to a message that names an unknown one."""
    names = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]  # noqa: SLF001
    for unknown in re.findall(r"--[a-z][\w.]*", text):
        if unknown not in names:
            clause = nearest(unknown, names)
            # there are a hundred: list them only where none is near
            return f"no option {unknown}; " + (clause.partition("? ")[0] + "?" if "? " in clause else clause)
    return text


def _kept(options: Namespace, facts: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: _plain(value) for key, value in options.as_dict().items() if key not in FREE}
    return {**kept, "facts": _plain(facts)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value})
    return flat
