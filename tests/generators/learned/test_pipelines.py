"""Networks are evaluated without gradients and left as they were; loading shows no bar."""

from __future__ import annotations

import pytest
import torch
from diffusers.utils import logging

from molaug.generators.learned.pipelines import evaluating, silent


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_evaluated_and_put_back(training: bool) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.9))
    network.train(training)
    x = torch.ones(50, 2)
    with evaluating(network):
        assert not network.training
        assert not network[1].training
        assert not network(x).requires_grad
        assert torch.equal(network(x), network(x))
    assert network.training is network[1].training is training
    assert network(x).requires_grad


def test_it_is_put_back_after_an_error_too() -> None:
    network = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="on purpose"), evaluating(network):
        raise RuntimeError("on purpose")
    assert network.training
    assert torch.is_grad_enabled()


def loading() -> None:
    """Break off in the middle."""
    with silent():
        assert not logging.is_progress_bar_enabled()
        raise RuntimeError("on purpose")


@pytest.mark.parametrize("shown", [True, False])
def test_bars_are_hidden_and_shown_again_only_if_they_were(shown: bool) -> None:
    before = logging.is_progress_bar_enabled()
    try:
        (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
        with pytest.raises(RuntimeError, match="on purpose"):
            loading()
        assert logging.is_progress_bar_enabled() is shown
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()
