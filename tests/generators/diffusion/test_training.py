"""The training step: frames, fragments, orders, times, conditions; what is fixed is not learned; small sets are."""

from __future__ import annotations

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from molaug.generators.diffusion.data import Batch, GeometryData
from molaug.generators.diffusion.hydrogens import completed
from molaug.generators.diffusion.training import MoleculeFlow
from molaug.generators.learned.pairs import of_pairs
from molaug.structures import Structures
from molaug.structures.superposition import kabsch_rmsd

WATER = [[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]]


@pytest.fixture(autouse=True)
def rng() -> None:
    """Leave the random numbers of other tests alone."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        yield


@pytest.fixture(scope="module")
def data(structures: Structures) -> GeometryData:
    return GeometryData(structures, conditions=["refractivity"])


def all_of(data: GeometryData, copies: int = 1) -> Batch:
    n = len(data.molecules)
    return data._rows(np.tile(np.arange(n), copies)).__getitems__(range(copies * n))


def tiny(data: GeometryData, **options: object) -> MoleculeFlow:
    given = {"width": 32, "layers": 2, "heads": 4, "pair_width": 8, "move_width": 16, "walk_steps": 3, **options}
    return MoleculeFlow(data.domain, **given)


class Spy(torch.nn.Module):
    """Stands for the network: keeps what it is asked, knows nothing of types and bonds, leaves coordinates."""

    def __init__(self, n_types: int) -> None:
        super().__init__()
        self.n_types = n_types

    def forward(
        self,
        part: str,
        atoms: Tensor,
        bonds: Tensor,
        *rest: Tensor,
        fixed: Tensor,
        condition: Tensor,
        **options: Tensor,
    ) -> Tensor | tuple[Tensor, ...]:
        n, n_max = atoms.shape
        if part == "graph":
            mask, time = rest
            logits = torch.zeros(n, n_max, self.n_types), torch.zeros(n, n_max * (n_max - 1) // 2, 4)
            answer = tuple(part.requires_grad_() for part in logits)
        else:
            options["coordinates"], mask, time = rest
            answer = (options["coordinates"].clone().requires_grad_(),)
        asked = {"atoms": atoms, "bonds": bonds, "mask": mask, "time": time, "fixed": fixed, "condition": condition}
        setattr(self, part, SimpleNamespace(answer=answer, x=options["coordinates"], **asked))
        return answer if part == "graph" else answer[0]


def spied(model: MoleculeFlow) -> Spy:
    spy = Spy(len(model.network.config.valences))
    model.network = spy
    return spy


def at(model: MoleculeFlow, graph: float, coordinates: float) -> None:
    """Make times the same for all: of the graph by its own distortion, of the coordinates by theirs."""

    def distorted(even: Tensor, distortion: float | None = None) -> Tensor:
        return torch.full_like(even, graph if distortion is None else coordinates)

    model.graph_scheduler.distorted = distorted


def distances(x: Tensor) -> Tensor:
    return torch.cdist(x, x)


def test_at_the_end_of_time_the_molecules_are_the_data_turned(data: GeometryData) -> None:
    model = tiny(data, fragment_share=0.0)
    spy, batch = spied(model), all_of(data, 3)
    at(model, 1.0, 1.0)
    losses = model.losses(batch, None)
    assert float(losses["coordinates"].detach()) < 1e-10  # the stand-in leaves coordinates, which are final
    x = spy.coordinates.x * data.domain["scale"]
    for k, n in enumerate(batch["sizes"].tolist()):
        found, expected = distances(x[k, :n]), distances(batch["coordinates"][k, :n])
        # whatever the order of the atoms
        torch.testing.assert_close(found.flatten().sort()[0], expected.flatten().sort()[0], atol=2e-3, rtol=0)
        assert float(x[k, :n].sum(0).abs().max()) < 1e-4
        assert torch.equal(
            spy.coordinates.bonds[k, :n, :n].flatten().sort()[0], batch["bonds"][k, :n, :n].flatten().sort()[0]
        )


def test_noise_is_normal_and_the_molecule_is_laid_best_over_it() -> None:
    water = Structures.from_arrays([[8, 1, 1]], [WATER])
    data = GeometryData(water)
    model = tiny(data, fragment_share=0.0, coordinate_weight=1.0)
    spy, batch = spied(model), all_of(data, 500)
    at(model, 0.0, 0.0)
    loss = model.losses(batch, None)["coordinates"].detach()
    x0 = spy.coordinates.x.double().numpy()
    assert np.abs(x0.sum(1)).max() < 1e-5
    n = 500 * 6  # degrees of freedom without the centroid
    assert (x0**2).sum() / n == pytest.approx(1.0, abs=3 * (2 / n) ** 0.5)
    x1 = (np.array(WATER) - np.mean(WATER, 0)) / data.domain["scale"]
    best = np.array([kabsch_rmsd(x1, x) for x in x0])  # the three atoms have one order: O, H and H
    assert float(loss) == pytest.approx(float((best**2).mean() / 3), rel=1e-3)


def test_states_between_lie_on_a_straight_line(data: GeometryData) -> None:
    """The error of a network that leaves coordinates is that of noise, whatever the time: (x₁ - xₜ) / (1 - t)."""
    found = []
    for time in (0.0, 0.3, 0.8):
        model = tiny(data, fragment_share=0.0)
        spied(model)
        at(model, 0.5, time)
        found.append(float(model.losses(all_of(data), torch.Generator().manual_seed(0))["coordinates"].detach()))
    assert found[1:] == pytest.approx([found[0]] * 2, rel=1e-4)
    at(model, 0.5, 0.99)  # there the weight is bounded: (0.1/0.01)² less
    late = float(model.losses(all_of(data), torch.Generator().manual_seed(0))["coordinates"].detach())
    assert late == pytest.approx(0.01 * found[0], rel=1e-2)


def test_fragments_are_connected_proper_parts_of_the_heavy_atoms_and_stand_first(data: GeometryData) -> None:
    model = tiny(data, fragment_share=1.0)
    spy, batch = spied(model), all_of(data, 12)
    at(model, 0.0, 0.0)
    model.losses(batch, None)
    hydrogen, found = data.molecules.types.index_of(1, 0), set()
    for part in (spy.graph, spy.coordinates):
        for atoms, bonds, fixed, heavy in zip(part.atoms, part.bonds, part.fixed, batch["heavy"].tolist(), strict=True):
            size = int(fixed.sum())
            assert fixed[:size].all()
            assert (atoms[:size] != hydrogen).all()
            assert nx.is_connected(nx.from_numpy_array(bonds[:size, :size].numpy()))  # whatever the noise
            found.add((heavy, size))
    assert {size for heavy, size in found if heavy == 4} == {1, 2, 3}
    assert {size for heavy, size in found if heavy == 1} == {1}  # its hydrogens are left to place


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_fragments_are_drawn_in_their_share(data: GeometryData, share: float) -> None:
    model = tiny(data, fragment_share=share)
    spy = spied(model)
    model.losses(all_of(data, 20), None)
    assert float(spy.graph.fixed.any(1).float().mean()) == pytest.approx(share, abs=0.04)


def test_a_fragment_stands_in_space_from_the_beginning_about_its_own_middle(data: GeometryData) -> None:
    model = tiny(data, fragment_share=1.0)
    spy, batch = spied(model), all_of(data, 4)
    at(model, 0.0, 0.0)
    model.losses(batch, None)
    scale, orientations = data.domain["scale"], []
    for k, heavy in enumerate(batch["heavy"].tolist()):
        n = int(spy.graph.fixed[k].sum())
        x = spy.coordinates.x[k, :n] * scale
        torch.testing.assert_close(spy.graph.x[k, :n] * scale, x)  # the same for the graph that grows from it
        assert float(x.sum(0).abs().max()) < 1e-4
        known = distances(batch["coordinates"][k, :heavy])
        for d in distances(x)[np.triu_indices(n, 1)].tolist():  # each of its distances is one of the molecule's
            assert float((known - d).abs().min()) < 2e-3
        # no noise in its bonds either: bonded atoms are at distances of bonds, and the others are not
        bonded = spy.graph.bonds[k, :n, :n] > 0
        assert ((distances(x) < 1.75) == (bonded | torch.eye(n, dtype=torch.bool))).all()
        if n > 1:
            orientations.append((x[1] - x[0]) / (x[1] - x[0]).norm())
    mean = torch.stack(orientations).mean(0)
    assert float(mean.norm()) < 4 / len(orientations) ** 0.5  # turned at random
    free = spy.coordinates.x[spy.coordinates.mask & ~spy.coordinates.fixed]
    assert float(free.square().mean()) == pytest.approx(1.0, abs=4 * (2 / free.numel()) ** 0.5)


def test_nothing_is_learned_of_what_is_fixed_or_padding(data: GeometryData) -> None:
    model = tiny(data, fragment_share=1.0)
    spy = spied(model)
    at(model, 0.4, 0.4)
    sum(model.losses(all_of(data), None).values()).backward()
    atoms, pairs = (part.grad for part in spy.graph.answer)
    (x,) = (part.grad for part in spy.coordinates.answer)
    for gradient, part in ((atoms, spy.graph), (x, spy.coordinates)):
        free = part.mask & ~part.fixed
        assert not gradient[~free].any()
        assert (gradient[free].abs().sum(-1) > 0).all()
    there = of_pairs(spy.graph.mask[:, :, None] & spy.graph.mask[:, None])
    held = of_pairs(spy.graph.fixed[:, :, None] & spy.graph.fixed[:, None])
    assert not pairs[~there | held].any()
    assert (pairs[there & ~held].abs().sum(-1) > 0).all()


def test_the_loss_of_a_network_that_knows_nothing_is_that_of_equal_chances(data: GeometryData) -> None:
    model = tiny(data, fragment_share=0.0)
    spied(model)
    at(model, 0.4, 0.4)
    batch = all_of(data)
    losses = model.losses(batch, None)
    n = batch["heavy"].double()
    pairs = float((n * (n - 1) / 2).sum() / n.sum())
    assert float(losses["atoms"].detach()) == pytest.approx(np.log(len(data.molecules.types)), rel=1e-5)
    assert float(losses["bonds"].detach()) == pytest.approx(pairs * np.log(4), rel=1e-5)  # for each atom


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_orders_are_those_of_smiles_with_hydrogens_after_them_as_valences_imply_them(
    data: GeometryData, share: float
) -> None:
    model = tiny(data, fragment_share=share)
    spy, batch = spied(model), all_of(data, 5)
    at(model, 1.0, 0.0)
    model.losses(batch, None)
    if not share:
        for bonds, heavy in zip(spy.graph.bonds, batch["heavy"].tolist(), strict=True):
            assert all((bonds[atom, :atom] > 0).any() for atom in range(1, heavy))
    molecules, heavy = data.molecules, batch["heavy"].numpy()
    graph = spy.graph.atoms.numpy(), spy.graph.bonds.numpy(), heavy  # without noise
    hydrogen = molecules.types.index_of(1, 0)
    atoms, bonds, sizes = completed(*graph, np.array(data.domain["hydrogens"]), hydrogen, molecules.n_max)
    n = atoms.shape[1]
    np.testing.assert_array_equal(sizes, batch["sizes"].numpy())
    np.testing.assert_array_equal(spy.coordinates.bonds[:, :n, :n].numpy(), bonds)
    there = spy.coordinates.mask[:, :n].numpy()
    np.testing.assert_array_equal(spy.coordinates.atoms[:, :n].numpy()[there], atoms[there])


def test_times_follow_their_distortions(data: GeometryData) -> None:
    """Of 1 - (1 - u)ᵈ with uniform u the mean of (1 - t) is 1/(d + 1)."""
    model = tiny(data, distortion=3.0)
    spy = spied(model)
    model.losses(all_of(data, 60), None)
    for part, d in ((spy.graph, 2.0), (spy.coordinates, 3.0)):
        left = 1 - part.time
        assert float(left.mean()) == pytest.approx(1 / (d + 1), abs=4 * float(left.std()) / len(left) ** 0.5)
    assert abs(float(torch.corrcoef(torch.stack([spy.graph.time, spy.coordinates.time]))[0, 1])) < 4 / 3600**0.5


def test_conditions_are_left_out_in_their_shares(structures: Structures) -> None:
    values = np.where(np.arange(len(structures)) % 2, structures.array("refractivity"), np.nan)
    both = structures.with_columns({"half": values})
    data = GeometryData(both, conditions=["refractivity", "half"])
    model = tiny(data, unconditional_share=0.5, condition_dropout=0.2)
    spy = spied(model)
    model.train()
    model.losses(all_of(data, 50), None)
    value, given = spy.graph.condition.chunk(2, 1)
    assert torch.equal(spy.graph.condition, spy.coordinates.condition)
    assert value.isfinite().all()
    assert not value[given == 0].any()
    a, b = given.mean(0).tolist()
    assert a == pytest.approx(0.5 * 0.8, abs=0.03)
    assert b == pytest.approx(0.5 * 0.5 * 0.8, abs=0.03)
    model.eval()
    model.losses(all_of(data), None)  # validation has all that there is
    assert spy.graph.condition.chunk(2, 1)[1].mean(0).tolist() == [1.0, 0.5]


def test_validation_is_the_same_every_time(data: GeometryData) -> None:
    model = tiny(data).eval()
    with torch.no_grad():
        first, again = (model.losses(all_of(data), torch.Generator().manual_seed(0)) for _ in range(2))
    assert {key: float(value) for key, value in first.items()} == {key: float(value) for key, value in again.items()}


def test_mixed_precision_leaves_places_as_they_are(data: GeometryData) -> None:
    """In bfloat16 a rotation would move atoms by hundredths of an Å."""
    model = tiny(data, fragment_share=0.5)
    spy, states = spied(model), []
    at(model, 1.0, 1.0)
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            model.losses(all_of(data), torch.Generator().manual_seed(0))
        states.append(spy.coordinates.x)
    assert torch.equal(*states)


@pytest.mark.parametrize("options", [{}, {"absolute": False}, {"moves": 0}])
def test_the_loss_of_a_small_set_falls_with_finite_gradients(structures: Structures, options: dict) -> None:
    data = GeometryData(structures.slice(0, 8))
    model, batch = tiny(data, fragment_share=0.3, **options), all_of(data)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    history = []
    for _ in range(45):
        losses = model.losses(batch, None)
        loss = model._total(losses)
        optimizer.zero_grad()
        loss.backward()
        assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append([float(value.detach()) for value in losses.values()])
    first, last = np.mean(history[:5], 0), np.mean(history[-10:], 0)
    assert (last[:2] < 0.8 * first[:2]).all(), (first, last)
    if options.get("moves") != 0:  # without them coordinates take their time
        assert last[2] < 0.97 * first[2]


@pytest.mark.parametrize("option", ["fragment_share", "unconditional_share", "condition_dropout"])
@pytest.mark.parametrize("value", [1.5, -0.1, float("nan")])
def test_shares_out_of_range_are_told(data: GeometryData, option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option} is {value}; expected a share"):
        tiny(data, **{option: value})


def test_the_pipeline_shares_the_weights(data: GeometryData) -> None:
    model = tiny(data)
    pipeline = model.pipeline()
    assert pipeline.network is model.network
    assert pipeline.conditions == ("refractivity",)
    assert len(pipeline(2, num_inference_steps=2)) == 2
