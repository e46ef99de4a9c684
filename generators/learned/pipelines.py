"""What the pipelines of learned generators share: how a network is evaluated, and how a checkpoint is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.utils import logging
from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into its mode of evaluation, without gradients, and back.

    Parameters
    ----------
    network
        Any.

    Yields
    ------
    None
        While inside.
    """
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


@contextmanager
def silent() -> Iterator[None]:
    """Keep diffusers from showing a bar while it loads two small files.

    Yields
    ------
    None
        While inside.
    """
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
