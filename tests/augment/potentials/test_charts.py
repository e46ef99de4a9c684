"""Charts of uncertainties show what the measures are made of."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from molaug.filters.uncertainty.reliability import ence
from molaug.potentials.charts import calibration_chart, reliability_bins, reliability_chart

RNG = np.random.default_rng(0)
SIGMA = RNG.uniform(0.5, 2.0, 2000)
ERRORS = SIGMA * RNG.normal(size=2000)


def heights(svg: str) -> np.ndarray:
    """Places of the points, from below."""
    circles = [node for node in ET.fromstring(svg).iter() if node.tag.endswith("circle")]
    return np.array([[float(node.get("cx")), -float(node.get("cy"))] for node in circles])


def test_calibrated_uncertainties_lie_on_the_diagonal() -> None:
    for chart in (calibration_chart, reliability_chart):
        assert "</svg>" in chart(SIGMA, ERRORS)
    places = heights(calibration_chart(SIGMA, ERRORS))
    assert len(places) == 21
    line = np.polynomial.Polynomial.fit(*places.T, 1)
    assert np.abs(line(places[:, 0]) - places[:, 1]).max() < 8  # pixels of 200


def test_uncertainties_that_are_too_small_lie_below() -> None:
    good, small = heights(calibration_chart(SIGMA, ERRORS)), heights(calibration_chart(0.5 * SIGMA, ERRORS))
    assert (small[1:-1, 1] < good[1:-1, 1]).all()


def test_bins_are_those_of_ence() -> None:
    rmv, rmse = reliability_bins(SIGMA, ERRORS, bins=20)
    assert np.mean(np.abs(rmv - rmse) / rmv) == pytest.approx(ence(SIGMA, ERRORS, 20))
    assert (np.diff(rmv) > 0).all()
    with pytest.raises(ValueError, match="3 structures and 10 bins; expected at least one in each"):
        reliability_chart([1.0, 1.0, 1.0], [0.1, 0.2, 0.3])
