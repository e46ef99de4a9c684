"""The training step: fragments, orders, padding, conditions; and that small networks learn what they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from molaug.generators.graph.data import Batch, GraphData
from molaug.generators.graph.training import GraphFlow

ALKANES = ["CC", "CCC", "CCCC", "CC(C)C", "CCCCC", "CC(C)CC", "CC(C)(C)C", "C1CC1", "CC1CC1"]
MIXED = ["CCO", "CC=O", "CC#N", "OCCN", "C1CC1O", "CC(C)(C)O", "NC=O", "CCCCCC", "O=C1CCC1", "C"]


def data_of(names: Sequence[str], **columns: Sequence[float]) -> GraphData:
    rows = [SimpleNamespace(smiles=n, **{k: v[i] for k, v in columns.items()}) for i, n in enumerate(names)]
    return GraphData(rows, conditions=tuple(columns))


def all_of(data: GraphData, copies: int = 1) -> Batch:
    return data._rows(np.tile(np.arange(len(data.molecules)), copies)).__getitems__(range(copies * len(data.molecules)))


def tiny(data: GraphData, **options: object) -> GraphFlow:
    torch.manual_seed(3)
    given = {"width": 32, "layers": 2, "heads": 4, "pair_width": 8, "walk_steps": 4, **options}
    return GraphFlow(data.domain, **given)


def fitted(model: GraphFlow, batch: Batch, steps: int, learning_rate: float = 5e-3) -> list[float]:
    """Losses of a plain loop; Lightning is for :mod:`molaug.training`."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    history = []
    for _ in range(steps):
        losses = model.losses(batch, None)
        loss = losses["atoms"] + 5.0 * losses["bonds"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        history.append(float(loss.detach()))
    return history


class Spy(torch.nn.Module):
    """Stands for the network: keeps what it is asked, and answers with the logits that it was given."""

    def __init__(self, n_types: int, logits: float = 0.0) -> None:
        super().__init__()
        self.n_types, self.logits = n_types, logits

    def forward(
        self, atoms: Tensor, bonds: Tensor, mask: Tensor, time: Tensor, fixed: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        self.atoms, self.bonds, self.mask, self.time = atoms, bonds, mask, time
        self.fixed, self.condition = fixed, condition
        n, n_max = atoms.shape
        return torch.zeros(n, n_max, self.n_types), torch.zeros(n, n_max * (n_max - 1) // 2, 4)


def spied(model: GraphFlow) -> Spy:
    spy = Spy(model.network.config.n_types)
    model.network = spy
    return spy


@pytest.fixture(scope="module")
def mixed() -> GraphData:
    return data_of(MIXED)


def test_fragments_are_connected_proper_parts_and_stand_first(mixed: GraphData) -> None:
    model = tiny(mixed, fragment_share=1.0)
    spy = spied(model)
    model.losses(all_of(mixed, 30), None)
    found = set()
    for atoms, bonds, fixed in zip(spy.mask.sum(1).tolist(), spy.bonds.numpy(), spy.fixed.numpy(), strict=True):
        size = int(fixed.sum())
        assert fixed[:size].all()
        assert size < atoms
        if size:
            assert nx.is_connected(nx.from_numpy_array(bonds[:size, :size]))
        found.add((atoms, size))
    assert {size for atoms, size in found if atoms == 6} == {1, 2, 3, 4, 5}
    assert {size for atoms, size in found if atoms == 1} == {0}  # a single atom has no proper part


def test_fragments_are_drawn_in_their_share(mixed: GraphData) -> None:
    batch = {key: value[:9] for key, value in all_of(mixed).items()}  # without methane
    batch = {key: torch.cat([value] * 100) for key, value in batch.items()}
    for share in (0.0, 0.25):
        model = tiny(mixed, fragment_share=share)
        spy = spied(model)
        model.losses(batch, None)
        assert float(spy.fixed.any(1).float().mean()) == pytest.approx(share, abs=0.05)


def test_fixed_atoms_and_bonds_and_padding_carry_no_noise(mixed: GraphData) -> None:
    model = tiny(mixed, fragment_share=1.0)
    spy = spied(model)
    model.scheduler.distorted = torch.zeros_like  # all noise
    model.losses(all_of(mixed, 20), None)
    assert not spy.atoms[~spy.mask].any()
    assert not spy.bonds[~(spy.mask[:, :, None] & spy.mask[:, None])].any()
    counts = {int(order): True for order in spy.bonds[spy.fixed[:, :, None] & spy.fixed[:, None]].unique()}
    assert set(counts) == {0, 1, 2, 3}


@pytest.mark.parametrize("ordered", [True, False])
def test_the_loss_ignores_padding(mixed: GraphData, ordered: bool) -> None:
    # a molecule alone and the same one padded: equal cross-entropies of a network that knows nothing
    model = tiny(mixed, fragment_share=0.0, ordered=ordered)
    spied(model)
    for name, loss in model.losses(all_of(mixed), None).items():
        n_classes = 4 if name == "bonds" else 3
        assert float(loss) == pytest.approx(np.log(n_classes), rel=1e-5)


def test_the_loss_ignores_what_is_fixed(mixed: GraphData, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(mixed)
    seen = {}

    def everything_but_one(bonds: Tensor, mask: Tensor, uniform: object) -> Tensor:
        seen["mask"] = mask
        return mask & (mask.cumsum(1) < mask.sum(1, keepdim=True))

    monkeypatch.setattr(model, "_fragments", everything_but_one)
    wrong = Spy(3)
    forward = wrong.forward

    def mistaken_where_fixed(*args: Tensor, **options: Tensor) -> tuple[Tensor, Tensor]:
        atoms, pairs = forward(*args, **options)
        return torch.where(options["fixed"][:, :, None], torch.tensor([-1e3, 0.0, 1e3]), atoms), pairs

    model.ask = mistaken_where_fixed
    assert float(model.losses(all_of(mixed), None)["atoms"]) == pytest.approx(np.log(3), rel=1e-5)


def test_the_orders_of_the_atoms_are_those_of_smiles_or_any() -> None:
    data = data_of(["CCCCO"])
    in_smiles = {order.index(4) for order in data.molecules.orders[0].tolist()}  # the oxygen stands last in the arrays
    for ordered, expected in ((True, in_smiles), (False, {0, 1, 2, 3, 4})):
        model = tiny(data, ordered=ordered, fragment_share=0.0)
        spy = spied(model)
        model.scheduler.distorted = torch.ones_like  # no noise
        model.losses(all_of(data, 200), None)
        oxygen = data.molecules.types.names.index("O")
        assert set((spy.atoms == oxygen).float().argmax(1).tolist()) == expected
        chained = spy.bonds.diagonal(1, 1, 2).sum(1) == 4  # each atom bonded to the next
        # rooted at the two ends the SMILES is written as a chain; of 120 permutations two are
        assert float(chained.float().mean()) == pytest.approx(0.4 if ordered else 1 / 60, abs=0.12)


def test_conditions_are_left_out_in_their_shares() -> None:
    data = data_of(MIXED, a=range(10), b=[np.nan] * 5 + [1.0, 2.0, 3.0, 4.0, 5.0])
    model = tiny(data, unconditional_share=0.5, condition_dropout=0.2)
    spy = spied(model)
    model.train()
    model.losses(all_of(data, 400), None)
    value, given = spy.condition.chunk(2, 1)
    assert not value[given == 0].any()
    assert value.isfinite().all()
    a, b = given.mean(0).tolist()
    assert a == pytest.approx(0.5 * 0.8, abs=0.03)
    assert b == pytest.approx(0.5 * 0.5 * 0.8, abs=0.03)
    both = given[torch.arange(len(given)) % 10 >= 5]
    assert float((both.sum(1) == 0).float().mean()) == pytest.approx(0.5 + 0.5 * 0.2**2, abs=0.04)
    model.eval()
    model.losses(all_of(data), None)  # validation has all that there is
    assert spy.condition.chunk(2, 1)[1].sum(0).tolist() == [10.0, 5.0]


def test_validation_is_the_same_every_time(mixed: GraphData) -> None:
    model = tiny(mixed).eval()
    with torch.no_grad():
        first, again = (model.losses(all_of(mixed), torch.Generator().manual_seed(0)) for _ in range(2))
    assert {key: float(value) for key, value in first.items()} == {key: float(value) for key, value in again.items()}


@pytest.mark.parametrize("option", ["fragment_share", "unconditional_share", "condition_dropout"])
def test_shares_out_of_range_are_told(mixed: GraphData, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is 1.5; expected a share"):
        tiny(mixed, **{option: 1.5})


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [True, False])
def test_a_network_that_has_seen_nothing_else_draws_its_alkanes(ordered: bool) -> None:
    data = data_of(ALKANES)
    model = tiny(data, ordered=ordered)
    history = fitted(model, all_of(data, 8), 400)
    assert np.mean(history[-20:]) < 0.4 * np.mean(history[:5])
    samples = model.pipeline()(128, num_inference_steps=30, seed=1)
    assert samples.raw_valid.mean() > 0.9
    known = {name for name, valid in zip(samples.smiles, samples.raw_valid, strict=True) if valid}
    assert len(known & set(data.molecules.smiles)) >= 6


@pytest.mark.slow
def test_conditions_steer() -> None:
    rng = np.random.default_rng(0)
    names = sorted({"C" + "".join("CO"[int(k)] for k in rng.integers(0, 2, 5)) + "C" for _ in range(60)})
    data = data_of(names, oxygens=[float(name.count("O")) for name in names])
    model = tiny(data)
    fitted(model, all_of(data, 3), 350)

    def mean_oxygens(value: float, scale: float) -> float:
        samples = model.pipeline()(
            64, num_inference_steps=20, seed=5, properties={"oxygens": value}, guidance_scale=scale
        )
        return float(np.mean([name.count("O") for name in samples.smiles if name]))

    few, many = mean_oxygens(1.0, 2.0), mean_oxygens(4.0, 2.0)
    assert few < 1.8
    assert many > 3.2
    # without guidance the value that is asked for changes nothing
    assert mean_oxygens(1.0, 0.0) == pytest.approx(mean_oxygens(4.0, 0.0))
