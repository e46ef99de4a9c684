"""Rotations: the best ones, never mirrors, and random ones that prefer no direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from molaug.generators.diffusion.alignment import aligned, centred, random_rotations
from molaug.structures.superposition import kabsch_rmsd, superposed

N = 40_000


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def clouds(n: int, n_max: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.arange(n_max) < torch.randint(3, n_max + 1, (n, 1))
    return centred(torch.randn(n, n_max, 3, dtype=torch.float64), mask), mask


def test_centred_coordinates_have_their_centroid_at_the_origin_and_nothing_in_the_padding() -> None:
    mask = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4])
    x = torch.randn(3, 4, 3, dtype=torch.float64) + 5
    moved = centred(x, mask)
    torch.testing.assert_close(moved.sum(1), torch.zeros(3, 3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert not moved[~mask].any()
    torch.testing.assert_close(moved[0], x[0] - x[0].mean(0))
    torch.testing.assert_close(moved[1, 0] - moved[1, 1], x[1, 0] - x[1, 1])


def test_alignment_is_the_superposition_of_structures() -> None:
    x, mask = clouds(30)
    y, _ = clouds(30, 7)
    y = centred(y, mask)
    for a, b, there, found in zip(x, y, mask, aligned(x, y), strict=True):
        expected = superposed(a[there].numpy()[None], b[there].numpy())[0]
        np.testing.assert_allclose(found[there].numpy(), expected, atol=1e-10)
        rmsd = float((found - b)[there].square().sum(1).mean().sqrt())
        assert rmsd == pytest.approx(float(kabsch_rmsd(a[there].numpy(), b[there].numpy())), abs=1e-10)
        assert not found[~there].any()


def test_what_was_turned_is_turned_back_and_what_was_mirrored_is_not() -> None:
    x, _ = clouds(20)
    turned = x @ random_rotations(torch.randn(20, 4, dtype=torch.float64))
    torch.testing.assert_close(aligned(turned, x), x)
    mirrored = x * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    chiral = torch.linalg.svdvals(x)[:, -1] > 0.1
    assert (((aligned(mirrored, x) - x).abs().amax((1, 2)) > 1e-2) | ~chiral).all()
    distances = torch.cdist(mirrored, mirrored)
    found = aligned(mirrored, x)
    torch.testing.assert_close(torch.cdist(found, found), distances)
    # the sign of the volume of the first three places stays
    torch.testing.assert_close(torch.linalg.det(found[:, :3]), torch.linalg.det(mirrored[:, :3]))


@pytest.mark.parametrize("shape", ["line", "plane", "point"])
def test_degenerate_molecules_keep_their_distances(shape: str) -> None:
    x, mask = clouds(20)
    x[:, :, {"line": 1, "plane": 2, "point": 0}[shape] :] = 0.0
    y, _ = clouds(20)
    found = aligned(x, centred(y, mask))
    torch.testing.assert_close(torch.cdist(found, found), torch.cdist(x, x), atol=1e-6, rtol=0)


def test_random_rotations_are_proper_rotations() -> None:
    turn = random_rotations(torch.randn(1000, 4, dtype=torch.float64))
    one = torch.eye(3, dtype=torch.float64).expand(1000, 3, 3)
    torch.testing.assert_close(turn @ turn.transpose(1, 2), one)
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(1000, dtype=torch.float64))


def test_random_rotations_are_uniform() -> None:
    """Against the Haar measure: the images of axes are uniform on the sphere, and the trace has its known moments."""
    turn = random_rotations(torch.randn(N, 4, dtype=torch.float64))
    for axis in turn.unbind(1):  # by Archimedes each coordinate is uniform in [-1, 1]
        for coordinate in axis.unbind(1):
            gap = (coordinate.sort()[0] - torch.linspace(-1, 1, N, dtype=torch.float64)).abs().max() / 2
            assert float(gap) < 1.95 / N**0.5  # Kolmogorov's 0.1 % bound
    second = torch.einsum("nij,nkl->ijkl", turn, turn) / N
    expected = torch.einsum("ik,jl->ijkl", torch.eye(3), torch.eye(3)).double() / 3
    assert float((second - expected).abs().max()) < 5 / N**0.5
    trace = turn.diagonal(dim1=1, dim2=2).sum(1)  # a character: E χ = 0, E χ² = 1, E χ³ = 1
    for power, moment in ((1, 0.0), (2, 1.0), (3, 1.0)):
        values = trace**power
        assert float(values.mean()) == pytest.approx(moment, abs=4 * float(values.std()) / N**0.5)
