"""How far a training is: the rate of learning over it, and when it will be done."""

from __future__ import annotations

import math
import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Timer


def fraction_done(trainer: Trainer) -> float:
    """Return how much of a training is behind, by whichever of its limits comes first.

    A limit of wall time counts as well as epochs and steps: a schedule that follows this fraction ends well on any
    machine.

    Parameters
    ----------
    trainer
        While it fits.

    Returns
    -------
    float
        In [0, 1].
    """
    total = trainer.estimated_stepping_batches
    fractions = [0.0]
    if 0 < total < math.inf:
        fractions.append(trainer.global_step / total)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Timer) and callback.time_remaining() is not None:
            elapsed, remaining = callback.time_elapsed(), callback.time_remaining() or 0.0
            fractions.append(elapsed / max(elapsed + remaining, 1e-9))
    return min(max(fractions), 1.0)


def warmup_cosine(step: int, fraction: float, warmup: int, floor: float = 0.03) -> float:
    """Return the learning rate as a share of its peak: linear warm-up, then half a cosine.

    Parameters
    ----------
    step
        Steps done.
    fraction
        Share of the training that is done.
    warmup
        Steps of the warm-up.
    floor
        Share at the end.

    Returns
    -------
    float
        In (0, 1].

    Examples
    --------
    >>> [round(warmup_cosine(s, s / 100, 10), 3) for s in (0, 9, 50, 100)]
    [0.1, 0.981, 0.515, 0.03]
    """
    cosine = floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * fraction))
    return min(1.0, (step + 1) / max(warmup, 1)) * cosine


class TimeToFinish(Callback):
    """Prints how far a training is, and keeps account of it over interruptions.

    Every so often a line tells step, loss, molecules per second and the time to the end, and every validation
    prints what it found. Wall time and molecules seen are kept in the state from which a training goes on.

    Parameters
    ----------
    every
        Seconds between lines.
    """

    def __init__(self, every: float = 30.0) -> None:
        self.every = every
        self._before = {"seconds": 0.0, "molecules": 0}
        self._seen = 0
        self._began: float | None = None
        self._ended: float | None = None
        self._printed = self._done = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of the training, validation included, interruptions not."""
        if self._began is None:
            return self._before["seconds"]
        return self._before["seconds"] + (self._ended or time.monotonic()) - self._began

    @property
    def molecules(self) -> int:
        """Molecules trained on, each as often as it was seen."""
        return int(self._before["molecules"]) + self._seen

    def state_dict(self) -> dict[str, Any]:  # noqa: D102 -- Lightning's
        return {"seconds": self.seconds, "molecules": self.molecules}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102 -- Lightning's
        self._before = dict(state_dict)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: D102 -- Lightning's
        self._began = self._printed = time.monotonic()
        self._seen, self._ended, self._done = 0, None, fraction_done(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: D102 -- Lightning's
        self._ended = time.monotonic()

    def on_train_batch_end(  # noqa: D102 -- Lightning's
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._seen += len(next(iter(batch.values()))) * trainer.world_size
        now = time.monotonic()
        if now - self._printed < self.every or not trainer.is_global_zero or self._began is None:
            return
        self._printed = now
        elapsed, done = now - self._began, fraction_done(trainer)
        left = elapsed * (1.0 - done) / max(done - self._done, 1e-9)
        print(
            f"epoch {trainer.current_epoch}  step {trainer.global_step}  "
            f"loss {float(trainer.callback_metrics.get('train_loss', math.nan)):.4f}  "
            f"{self._seen / elapsed:.0f} molecules/s  {100 * done:.1f} % done, {_clock(left)} to go",
            flush=True,
        )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: D102 -- Lightning's
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        found = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith(_VALIDATION)}
        print("validation: " + ", ".join(f"{key} {value:.4f}" for key, value in sorted(found.items())), flush=True)


#: Names of metrics that a validation gives begin with one of these.
_VALIDATION = ("val_", "sampled_")


def _clock(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {s:02d} s"
