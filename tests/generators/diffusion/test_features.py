"""Features of distances: fine where bonds are, smooth, finite, and with finite gradients."""

from __future__ import annotations

import torch

from molaug.generators.diffusion.features import RadialBasis, distances


def test_radial_features_are_smooth_bounded_and_tell_bonds_apart() -> None:
    basis = RadialBasis(24)
    distance = torch.linspace(0.0, 30.0, 3001, requires_grad=True)
    found = basis(distance)
    assert ((found > 0) & (found <= 1)).all()
    assert float(found.detach().diff(dim=0).abs().max()) < 0.1
    (gradient,) = torch.autograd.grad(found.sum(), distance)
    assert gradient.isfinite().all()
    # a tenth of an Å changes much where bonds are, and little far away
    at = basis(torch.tensor([1.2, 1.3, 6.0, 6.1])).detach()
    assert float((at[0] - at[1]).norm()) > 0.3 > 5 * float((at[2] - at[3]).norm())
    assert float(basis(torch.tensor([1e-30, 50.0])).min()) > 1e-30  # nothing denormal


def test_distances_are_those_of_all_pairs_with_gradients_where_atoms_coincide() -> None:
    x = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0))
    x[:, 1] = x[:, 0]
    x.requires_grad_()
    found = distances(x)
    torch.testing.assert_close(found, torch.cdist(x, x), atol=2e-4, rtol=1e-4)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert gradient.isfinite().all()
