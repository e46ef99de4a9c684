"""Evidential regression: Student's t, the two kinds of uncertainty, gradients that are finite."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")

from molaug.filters.uncertainty.evidential import Evidence  # noqa: E402


def outputs(n: int = 64, seed: int = 0) -> torch.Tensor:
    return 3.0 * torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_likelihood_is_that_of_students_t() -> None:
    found, target = Evidence.of(outputs()), outputs(64, 1)[:, 0]
    nu, alpha, beta = (value.numpy() for value in (found.nu, found.alpha, found.beta))
    expected = stats.t.logpdf(target, df=2 * alpha, loc=found.gamma, scale=np.sqrt(beta * (1 + nu) / (nu * alpha)))
    np.testing.assert_allclose(found.nll(target), -expected, rtol=1e-9)


def test_it_is_the_marginal_of_the_normal_inverse_gamma() -> None:
    """Drawing variance and mean first: labels scatter by the variance told."""
    found = Evidence(**{k: torch.tensor(v) for k, v in {"gamma": 1.0, "nu": 2.0, "alpha": 6.0, "beta": 3.0}.items()})
    rng = np.random.default_rng(0)
    variance = 3.0 / rng.gamma(6.0, size=400_000)
    mean = 1.0 + np.sqrt(variance / 2.0) * rng.normal(size=400_000)
    labels = mean + np.sqrt(variance) * rng.normal(size=400_000)
    assert variance.mean() == pytest.approx(float(found.aleatoric), rel=0.01)
    assert mean.var() == pytest.approx(float(found.epistemic), rel=0.02)
    assert labels.var() == pytest.approx(float(found.variance), rel=0.02)


def test_parameters_stay_in_their_ranges_and_gradients_finite() -> None:
    raw = torch.tensor([[0.0, k, k, k] for k in (-200.0, 0.0, 200.0)], requires_grad=True)
    found = Evidence.of(raw)
    assert (found.nu > 0).all()
    assert (found.alpha > 1).all()
    assert (found.beta > 0).all()
    found.loss(torch.tensor([1.0, 2.0, -3.0])).backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_the_regulariser_punishes_evidence_for_what_is_wrong() -> None:
    sure, unsure = torch.tensor([[0.0, 5.0, 1.0, 1.0]]), torch.tensor([[0.0, -5.0, 1.0, 1.0]])
    wrong = torch.tensor([10.0])

    def cost(raw: torch.Tensor) -> float:
        found = Evidence.of(raw)
        return float(found.loss(wrong, weight=1.0) - found.loss(wrong, weight=0.0))

    assert cost(sure) > 2 * cost(unsure)
