"""One training with Lightning: its options, its folder, its going on after an interruption."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

#: What installs everything that training needs.
INSTALL = 'pip install "molaug[generate]"'

#: Folder of logs and of the state to go on from, inside the folder of the checkpoint.
STATE = "training"

#: Options that may differ when a training is gone on with.
_FREE = ("out", "fresh", "config", "threads", "log")


@contextmanager
def imported() -> Iterator[None]:
    """Say what to install where a package that training needs is missing.

    Yields
    ------
    None
        The imports are made inside.

    Raises
    ------
    ImportError
        If one is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f"training needs {error.name}, which is not installed: {INSTALL}") from error


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """The parsed options of one training.

    Parameters
    ----------
    options
        What was asked for, defaults included.
    out
        Folder of the checkpoint.
    parts
        The classes of data and model.
    """

    options: Any
    out: Path
    parts: tuple[Any, Any]

    @classmethod
    def parse(cls, what: str, options: Sequence[str], *, data: Any, model: Any) -> Fitting:
        """Parse options.

        Parameters
        ----------
        what
            What is trained; the default name of the folder.
        options
            As on the command line.
        data
            Class of the data module; its options stand at the top.
        model
            Class of the module; its options are called ``--model.…``.

        Returns
        -------
        Fitting
            Checked.
        """
        with imported():
            from jsonargparse import ActionConfigFile, ArgumentParser
            from pytorch_lightning import Trainer
        parser = ArgumentParser(prog=f"molaug fit {what}", description=model.__doc__.strip().splitlines()[0])
        parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these options")
        parser.add_argument("--data", nargs="+", required=True, help="known names or paths")
        parser.add_argument("--out", default=what, help="folder of the checkpoint")
        parser.add_argument("--threads", type=int, help="threads on the CPU; by default all cores")
        parser.add_argument("--log", choices=("csv", "tensorboard"), default="csv")
        parser.add_argument("--fresh", action="store_true", help="begin anew instead of going on")
        parser.add_class_arguments(data, None, skip={"source", "cache"})
        parser.add_class_arguments(model, "model", skip={"domain"})
        parser.add_class_arguments(Trainer, "trainer", skip={"callbacks", "logger", "default_root_dir"})
        parser.set_defaults({"trainer.enable_progress_bar": False, "trainer.gradient_clip_val": 1.0})
        parser.set_defaults({"trainer.enable_model_summary": False, "trainer.max_epochs": 100})
        parsed = parser.parse_args(list(options))
        return cls(options=parsed, out=Path(parsed.out), parts=(data, model))

    def data(self) -> Any:
        """Build the data module.

        Returns
        -------
        LightningDataModule
            With a cache in the folder of the training.
        """
        known = {"config", "data", "out", "threads", "log", "fresh", "model", "trainer"}
        rest = {key: value for key, value in vars(self.options).items() if key not in known}
        return self.parts[0](list(self.options.data), cache=str(self.out / STATE), **rest)

    def model(self, **given: Any) -> Any:
        """Build the module.

        Parameters
        ----------
        **given
            What the data say.

        Returns
        -------
        LightningModule
            Not trained yet.
        """
        from pytorch_lightning import seed_everything

        seed_everything(self.options.seed, workers=True, verbose=False)
        return self.parts[1](**given, **vars(self.options.model))

    def run(self, model: Any, data: Any) -> Any:
        """Train, from the last state if there is one.

        Parameters
        ----------
        model
            To be trained.
        data
            To train on.

        Returns
        -------
        LightningModule
            With the averaged weights.

        Raises
        ------
        ValueError
            If the folder holds the state of a training with other options.
        """
        import torch
        from pytorch_lightning import Trainer
        from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
        from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

        from molaug.generators.learned.progress import TimeToFinish

        folder = self.out / STATE
        state = self._state(folder)
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        logger = CSVLogger if self.options.log == "csv" else TensorBoardLogger
        trainer = Trainer(
            **vars(self.options.trainer),
            default_root_dir=folder,
            logger=logger(save_dir=folder, name="logs"),
            callbacks=[
                EMAWeightAveraging(decay=0.999),
                ModelCheckpoint(
                    dirpath=folder,
                    filename="state",
                    train_time_interval=timedelta(minutes=5),
                    enable_version_counter=False,
                ),
                TimeToFinish(),
            ],
        )
        trainer.fit(model, datamodule=data, ckpt_path=state, weights_only=False)
        if trainer.interrupted:
            raise KeyboardInterrupt
        return model

    def _state(self, folder: Path) -> Path | None:
        """Return the state to go on from, and keep the options beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        written = {k: v for k, v in self.options.as_dict().items() if k not in _FREE}
        text = yaml.safe_dump(_plain(written), sort_keys=True)
        options, state = folder / "options.yaml", folder / "state.ckpt"
        if self.options.fresh or not state.exists():
            options.write_text(text)
            state.unlink(missing_ok=True)
            return None
        if options.exists() and options.read_text() != text:
            raise ValueError(
                f"{folder} holds the state of a training with other options ({options}); "
                "give the same options, another --out, or --fresh to begin anew"
            )
        print(f"going on from {state}", file=sys.stderr, flush=True)
        return state


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
