"""How far a training is, by whichever limit is nearest; and the account that is kept of it."""

from __future__ import annotations

import math
from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.callbacks import Timer

from molaug.generators.learned.averaging import Averaging, decay_at
from molaug.generators.learned.progress import TimeToFinish, fraction_done, warmup_cosine


def trainer(step: int, total: float, *callbacks: object) -> SimpleNamespace:
    return SimpleNamespace(
        global_step=step,
        estimated_stepping_batches=total,
        callbacks=list(callbacks),
        world_size=2,
        is_global_zero=True,
        sanity_checking=False,
        current_epoch=0,
        callback_metrics={"train_loss": torch.tensor(2.0), "val_loss": torch.tensor(1.5)},
    )


class Stopped(Timer):
    """A timer that shows what it is told."""

    def __init__(self, elapsed: float, limit: float) -> None:
        super().__init__(timedelta(seconds=limit))
        self._elapsed, self._limit = elapsed, limit

    def time_elapsed(self, stage: object = None) -> float:
        return self._elapsed

    def time_remaining(self, stage: object = None) -> float:
        return self._limit - self._elapsed


def test_the_nearest_limit_counts() -> None:
    assert fraction_done(trainer(25, 100)) == 0.25
    assert fraction_done(trainer(25, math.inf)) == 0.0
    assert fraction_done(trainer(25, 100, Stopped(30.0, 60.0))) == 0.5
    assert fraction_done(trainer(75, 100, Stopped(30.0, 60.0))) == 0.75
    assert fraction_done(trainer(0, -1, Stopped(30.0, 60.0))) == 0.5
    assert fraction_done(trainer(120, 100, Stopped(70.0, 60.0))) == 1.0


def test_a_timer_without_limit_does_not_count() -> None:
    assert fraction_done(trainer(25, 100, Timer())) == 0.25


def test_the_rate_rises_linearly_and_falls_by_half_a_cosine() -> None:
    rates = [warmup_cosine(step, step / 1000, 100) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[49] == pytest.approx(0.5, rel=0.01)
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[500] == pytest.approx(0.515)
    assert rates[1000] == pytest.approx(0.03)
    assert sorted(rates[100:], reverse=True) == rates[100:]


def test_no_warmup_begins_at_the_peak() -> None:
    assert warmup_cosine(0, 0.0, 0) == 1.0


def test_lines_tell_speed_and_time_to_go(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    callback = TimeToFinish(every=30.0)
    callback.on_train_start(trainer(0, 100), None)
    for step in range(1, 26):
        now[0] += 2.0
        callback.on_train_batch_end(trainer(step, 100), None, None, {"atoms": torch.zeros(10, 3)}, step)
    (line,) = capsys.readouterr().out.splitlines()
    # at step 15, after 30 s: 15 batches of 10 molecules on each of two devices
    assert line.endswith("loss 2.0000  10 molecules/s  15.0 % done, 2 min 50 s to go")
    callback.on_validation_end(trainer(25, 100), None)
    assert capsys.readouterr().out == "validation: val_loss 1.5000\n"


def test_the_account_adds_up_over_interruptions(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    state: dict[str, float] = {"seconds": 0.0, "molecules": 0}
    for _ in range(3):
        callback = TimeToFinish()
        callback.load_state_dict(state)
        now[0] += 1000.0  # nobody trained
        callback.on_train_start(trainer(0, 100), None)
        now[0] += 7.0
        callback.on_train_batch_end(trainer(1, 100), None, None, {"atoms": torch.zeros(10, 3)}, 0)
        callback.on_train_end(trainer(1, 100), None)
        now[0] += 5.0
        state = callback.state_dict()
    assert state == {"seconds": 21.0, "molecules": 60}


def test_averages_follow_quickly_at_first_and_slowly_later() -> None:
    assert decay_at(0, 0.999) == 0.1
    assert decay_at(10**6, 0.999) == 0.999
    with pytest.raises(ValueError, match=r"decay is 1.0"):
        Averaging(decay=1.0)
