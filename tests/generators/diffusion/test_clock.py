"""The clocks: from 0 to 1 without going back, the graph ahead of the coordinates, in closed form."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.generators.diffusion.clock import Clock

clocks = st.builds(
    Clock,
    graph_end=st.floats(0.05, 1.0),
    coordinate_start=st.floats(0.0, 0.95),
    graph_distortion=st.floats(0.3, 4.0),
    coordinate_distortion=st.floats(0.3, 4.0),
)


@given(clocks)
@settings(max_examples=60, deadline=None)
def test_times_rise_from_0_and_end_at_1(clock: Clock) -> None:
    progress = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    for times in clock.times(progress):
        assert times[0] == 0.0
        assert times[-1] == 1.0
        assert (times.diff() >= 0).all()
        assert ((times >= 0) & (times <= 1)).all()


@given(clocks)
@settings(max_examples=30, deadline=None)
def test_each_has_its_part_of_the_progress(clock: Clock) -> None:
    progress = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
    graph, coordinates = clock.times(progress)
    assert (graph[progress >= clock.graph_end] == 1.0).all()
    assert (graph[progress < 0.9 * clock.graph_end] < 1.0).all()
    assert (coordinates[progress <= clock.coordinate_start] == 0.0).all()
    assert (coordinates[progress > clock.coordinate_start + 0.01] > 0.0).all()


def test_without_distortion_the_times_are_the_shares() -> None:
    clock = Clock(graph_end=1.0, coordinate_start=0.0, graph_distortion=1.0, coordinate_distortion=1.0)
    progress = torch.rand(50, dtype=torch.float64)
    for times in clock.times(progress):
        torch.testing.assert_close(times, progress)


def test_steps_become_short_near_the_end() -> None:
    share = torch.linspace(0.0, 1.0, 11, dtype=torch.float64)
    torch.testing.assert_close(Clock().graph(share), 1 - (1 - share) ** 2)
    torch.testing.assert_close(Clock(coordinate_distortion=3.0).coordinates(share), 1 - (1 - share) ** 3)
    assert (Clock().coordinates(share).diff().diff() < 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {"graph_end": 0.0},
        {"graph_end": 1.1},
        {"coordinate_start": 1.0},
        {"coordinate_start": -0.1},
        {"graph_distortion": 0.0},
        {"coordinate_distortion": -1.0},
        {"graph_end": float("nan")},
        {"coordinate_distortion": float("nan")},
    ],
)
def test_settings_out_of_range_are_told(options: dict) -> None:
    with pytest.raises(ValueError, match=r"Clock\(.*expected"):
        Clock(**options)
