"""One training with Lightning: its folder, its going on after an interruption, and what was measured of it."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from molaug.generators.learned.averaging import Averaging
from molaug.generators.learned.progress import TimeToFinish
from molaug.registry import ConfigurationError
from molaug.structures.hashing import derived_seed
from molaug.training import options as options_
from molaug.training.hardware import hardware

#: Folder of logs and of the state to go on from, inside the folder of the checkpoint.
STATE = "training"

#: At most so much of a training is lost when its process is killed.
STATE_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was measured of a complete training.

    Parameters
    ----------
    seconds
        Wall time of training and validation, summed over interruptions.
    molecules
        Molecules trained on, each as often as it was seen.
    steps
        Done.
    epochs
        Done.
    metrics
        Of a last validation with the weights that are kept.
    hardware
        Of the process that ended the training.
    command
        Command line of that process.
    """

    seconds: float
    molecules: int
    steps: int
    epochs: int
    metrics: dict[str, float]
    hardware: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """A training with its parsed options.

    Parameters
    ----------
    options
        What was asked for, defaults included.
    command
        As it was asked for.
    parts
        The classes of data and model.
    """

    options: Namespace
    command: str
    parts: tuple[type, type]

    @classmethod
    def parse(cls, what: str, options: Sequence[str], *, data: type, model: type) -> Fitting:
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
            Class of the module; its options are called ``--model.…``, and its ``monitored`` is the metric of
            validations that early stopping goes by.

        Returns
        -------
        Fitting
            Checked.

        Raises
        ------
        ConfigurationError
            If it shall stop early and cannot, or an option is wrong.
        """
        parsed = options_.parse(what, options, data=data, model=model)
        patience = parsed.early_stopping
        if patience is not None and patience < 1:
            raise ConfigurationError(f"early_stopping is {patience}; expected at least 1 validation")
        if patience is not None and not hasattr(model, "monitored"):
            raise ConfigurationError(f"molaug fit {what} has no error to stop by; leave --early_stopping out")
        return cls(options=parsed, command=shlex.join(["molaug", "fit", what, *options]), parts=(data, model))

    @property
    def out(self) -> Path:
        """Folder of the checkpoint."""
        return Path(self.options.out)

    @property
    def folder(self) -> Path:
        """Folder of the state."""
        return self.out / STATE

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints, of several devices' processes."""
        return not getattr(rank_zero_only, "rank", 0)

    def data(self) -> Any:
        """Build the data module.

        Returns
        -------
        LightningDataModule
            With a cache in the folder of the training.
        """
        rest = {key: value for key, value in vars(self.options).items() if key not in options_.GENERAL}
        return self.parts[0](list(self.options.data), cache=str(self.folder), **rest)

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
        seed_everything(self.options.seed, workers=True, verbose=False)
        return self.parts[1](**given, **vars(self.options.model))

    def prepare(self, facts: Mapping[str, Any]) -> Result | None:
        """Look at what the folder holds, and keep the options there.

        Parameters
        ----------
        facts
            What must be the same when a training goes on, besides its options.

        Returns
        -------
        Result or None
            Of a training that is complete; there is nothing left to do then.

        Raises
        ------
        ValueError
            If the folder holds a training with other options; the message tells which.
        """
        kept, state, result = (self.folder / name for name in ("options.yaml", "state.ckpt", "result.json"))
        if not self.leads:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.options.fresh or not (state.exists() and kept.exists()):
            for path in (state, result):
                path.unlink(missing_ok=True)
            options_.written(self.options, kept, facts)
            return None
        changed = options_.differences(self.options, kept, facts)
        if changed:
            raise ValueError(
                f"{self.folder} holds a training with other options: {'; '.join(changed)}. "
                "Give the same options, another --out, or --fresh to begin anew"
            )
        return Result(**json.loads(result.read_text())) if result.exists() else None

    def run(self, model: LightningModule, data: LightningDataModule) -> Result:
        """Train, from the last state if there is one; the model then has the averaged weights.

        Parameters
        ----------
        model
            To be trained.
        data
            To train on.

        Returns
        -------
        Result
            Not written yet, see :meth:`finish`.

        Raises
        ------
        KeyboardInterrupt
            If it was interrupted; the state is kept.
        """
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        state = self.folder / "state.ckpt"
        if state.exists() and self.leads:
            print(f"going on from {state}", file=sys.stderr, flush=True)
        account, averaging = TimeToFinish(), Averaging()
        callbacks = [averaging, account, _Reseeding(self.options.seed), _states(self.folder), *self._stopping(model)]
        logger = CSVLogger if self.options.log == "csv" else TensorBoardLogger
        with quiet():
            trainer = Trainer(
                **vars(self.options.trainer),
                enable_progress_bar=False,
                enable_model_summary=False,
                default_root_dir=self.folder,
                logger=logger(save_dir=self.folder, name="logs"),
                callbacks=callbacks,
            )
            try:
                trainer.fit(model, datamodule=data, ckpt_path=state if state.exists() else None, weights_only=False)
            except SystemExit as ended:  # what Lightning makes of Ctrl-C
                if trainer.interrupted:
                    raise KeyboardInterrupt from ended
                raise
            averaging.settle(model)
            trainer.save_checkpoint(state)
            (metrics,) = trainer.validate(model, datamodule=data, verbose=False)
        return Result(
            seconds=account.seconds,
            molecules=account.molecules,
            steps=trainer.global_step,
            epochs=trainer.current_epoch,
            metrics=dict(metrics),
            hardware=hardware(trainer.num_devices * trainer.num_nodes, model.device),
            command=self.command,
        )

    def _stopping(self, model: LightningModule) -> list[Callback]:
        patience = self.options.early_stopping
        if patience is None:
            return []
        return [EarlyStopping(model.monitored, patience=patience, check_on_train_epoch_end=False)]

    def finish(self, result: Result) -> None:
        """Note that the training is complete.

        Parameters
        ----------
        result
            What was measured.
        """
        (self.folder / "result.json").write_text(json.dumps(asdict(result), indent=2) + "\n")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning from telling what a user needs not know: devices that are not there, hints, advertisements.

    Yields
    ------
    None
        Its warnings and messages are left out inside; errors are not.
    """
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for module in ("pytorch_lightning", "lightning_fabric", "lightning_utilities", "torch"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Reseeding(Callback):
    """Gives every start of a training random numbers of its own, on each device others."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.manual_seed(derived_seed(self._seed, "molaug.fit", trainer.global_step, trainer.global_rank))


def _states(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        dirpath=folder,
        filename="state",
        train_time_interval=STATE_EVERY,
        enable_version_counter=False,
        save_on_exception=True,
    )
