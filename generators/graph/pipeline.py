"""The pipeline of the graph generator: a network, a scheduler and what is known of the data, and molecules out of them."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from rdkit import Chem
from torch import Tensor

from molaug.generators.graph.kekule import BOND_ORDERS, AtomTypes, KekuleGraphs, drawn
from molaug.generators.graph.network import GraphDenoiser
from molaug.generators.graph.pairs import in_square, of_pairs
from molaug.generators.graph.projection import projected
from molaug.generators.graph.scheduler import GraphFlowOutput, GraphFlowScheduler
from molaug.generators.graph.scheduler import drawn as draw
from molaug.generators.graph.steering import Composition, Counts, Fragment, Size, size_weights
from molaug.generators.learned.checkpoints import checkpoint_folder
from molaug.structures.chemistry.strict import strict_reason
from molaug.structures.hashing import stream

#: Rows are made in blocks of this size, each at its own place: a row's arithmetic is then the same whichever rows are
#: asked for.
BLOCK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphSamples:
    """Molecules as they leave the sampler, row by row.

    Parameters
    ----------
    smiles
        Canonical SMILES without stereo; None where even the projection found no sound molecule.
    raw_smiles
        What the network drew by itself, as drawn: it need not be valid.
    raw_valid
        Whether that is valid, strictly and as drawn, shape (n,).
    graphs
        The molecules as arrays, projected where ``raw_valid`` is false.
    reasons
        Why the raw graph is not valid, or None.
    trajectory
        The states at each step as graphs, the prior first; empty unless asked for.
    cpu_seconds
        CPU time that the rows took, of all threads.
    """

    smiles: tuple[str | None, ...]
    raw_smiles: tuple[str, ...]
    raw_valid: NDArray[np.bool_]
    graphs: KekuleGraphs
    reasons: tuple[str | None, ...]
    trajectory: tuple[KekuleGraphs, ...]
    cpu_seconds: float

    def __len__(self) -> int:
        return len(self.smiles)


class GraphPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Draws molecules as graphs of heavy atoms.

    Parameters
    ----------
    network
        Trained.
    scheduler
        Of the flow that it was trained on.
    domain
        What the data were like: :attr:`molaug.generators.graph.data.GraphData.domain`.
    """

    def __init__(
        self, network: GraphDenoiser, scheduler: GraphFlowScheduler, domain: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        if domain is None:  # a default, because diffusers takes arguments without one for modules
            raise ValueError("domain is missing; expected what GraphData.domain gives")
        self.register_modules(network=network, scheduler=scheduler)
        self.register_to_config(domain=dict(domain))

    def save(self, folder: str | Path) -> None:
        """Write the pipeline as a checkpoint, with weights of half precision.

        Parameters
        ----------
        folder
            ``model_index.json``, and the network and the scheduler in folders of their own.
        """
        halved = copy.deepcopy(self.network).cpu().half()
        GraphPipeline(halved, self.scheduler, domain=self.config.domain).save_pretrained(folder)

    @property
    def types(self) -> AtomTypes:
        """Atom types that molecules are made of."""
        return AtomTypes(**{key: tuple(value) for key, value in self.config.domain["types"].items()})

    @property
    def n_max(self) -> int:
        """Heavy atoms of a molecule at most."""
        return int(self.config.domain["n_max"])

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the properties that may be asked for."""
        return tuple(self.config.domain["conditions"])

    @torch.no_grad()
    def __call__(
        self,
        n: int = 1,
        *,
        num_inference_steps: int = 50,
        seed: int = 0,
        start: int = 0,
        temperature: float = 1.0,
        n_atoms: Size | None = None,
        composition: Composition | None = None,
        fragment: str | None = None,
        properties: Mapping[str, float] | None = None,
        guidance_scale: float = 2.0,
        trajectory: bool = False,
        progress: bool = False,
    ) -> GraphSamples:
        """Draw molecules.

        Row k depends on the seed, k and the other arguments alone, not on ``n`` or ``start``.

        Parameters
        ----------
        n
            How many.
        num_inference_steps
            Calls of the network for each molecule; more are better and cost more.
        seed
            The one seed.
        start
            Number of the first row.
        temperature
            Below 1 the network's favourites are drawn more often, above 1 less.
        n_atoms
            Heavy atoms: a number, a least and a greatest one, or weights by number; as in the data by default.
        composition
            Heavy atoms of each element: exact, or a least and a greatest number; or a formula such as ``"C6NO2"``.
        fragment
            SMILES of a fragment that stands in every molecule; its attachment points (``*``), if it has any, are the
            only atoms that grow.
        properties
            Values of the columns that the network was trained with, in their units.
        guidance_scale
            How strongly ``properties`` steer: 0 not at all, 1 as in the data, more beyond.
        trajectory
            Keep the state at every step.
        progress
            Show a bar.

        Returns
        -------
        GraphSamples
            ``n`` rows.

        Raises
        ------
        ValueError
            If an argument is out of its range or asks for what cannot be.

        References
        ----------
        J. Ho and T. Salimans, arXiv:2207.12598 (classifier-free guidance).
        """
        if n < 0 or start < 0:
            raise ValueError(f"n={n}, start={start}; expected at least 0")
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; expected more than 0")
        grown = None if fragment is None else Fragment.of(fragment, self.types, self.n_max)
        counts, exact = (None, None) if composition is None else Counts.of(composition, self.types, self.n_max)
        wanted: Size | None = exact if n_atoms is None else n_atoms
        weights = size_weights(
            wanted,
            self.config.domain["size_histogram"],
            least=1 if grown is None else len(grown) + 1,
            counts=counts,
        )
        self.scheduler.set_timesteps(num_inference_steps)
        training = self.network.training
        self.network.eval()
        request = _Request(
            seed=seed,
            temperature=temperature,
            guidance=guidance_scale,
            condition=self._condition(properties),
            weights=weights,
            counts=counts,
            fragment=grown,
        )
        began = time.process_time()
        blocks = range(start // BLOCK, -(-(start + n) // BLOCK)) if n else range(0)
        self.set_progress_bar_config(disable=not progress)
        pieces = [self._block(request, block, trajectory) for block in self.progress_bar(blocks)]
        self.network.train(training)
        kept = np.arange(start, start + n) - (blocks.start * BLOCK if n else 0)
        return self._samples(pieces, kept, request, began)

    def _condition(self, properties: Mapping[str, float] | None) -> Tensor | None:
        """Return standardised values and whether each is given, shape (1, 2 n_conditions)."""
        if not properties:
            return None
        scales: Mapping[str, tuple[float, float]] = self.config.domain["conditions"]
        for name in properties:
            if name not in scales:
                known = ", ".join(scales) or "none: train with data.conditions"
                raise ValueError(f"no property {name!r} to steer by; this generator knows {known}")
        values = [(properties[name] - mean) / sd if name in properties else 0.0 for name, (mean, sd) in scales.items()]
        return torch.tensor([values + [float(name in properties) for name in scales]], device=self.device)

    def _block(self, request: _Request, block: int, trajectory: bool) -> _Block:
        device, n_max, types = self.device, self.n_max, self.types
        steps, n_pairs = len(self.scheduler.timesteps), n_max * (n_max - 1) // 2
        rngs = [stream(request.seed, "molaug.graph", block * BLOCK + k) for k in range(BLOCK)]
        sizes = np.array([rng.choice(n_max + 1, p=request.weights) for rng in rngs])  # (BLOCK,)
        first = np.array([rng.integers(1 << 30) for rng in rngs])
        uniform = np.stack([rng.random((1 + 3 * steps, n_max + n_pairs), dtype=np.float32) for rng in rngs], 1)
        u = torch.from_numpy(uniform).to(device)  # (1 + 3 steps, BLOCK, n_max + n_pairs)
        u_atoms, u_pairs = u[..., :n_max], u[..., n_max:]
        mask = torch.arange(n_max, device=device) < torch.from_numpy(sizes).to(device)[:, None]  # (BLOCK, n_max)
        there = of_pairs(mask[:, :, None] & mask[:, None])  # (BLOCK, n_pairs)
        clamp = _Clamp.of(request.fragment, first, n_max, device)
        state = clamp.laid(self.scheduler.prior(u_atoms[0], u_pairs[0]), mask, there)
        states = [state]
        for k in range(steps):
            atom_logits, pair_logits = self._logits(state, mask, k, clamp.fixed, request)
            pair_logits = pair_logits.masked_fill(clamp.closed[..., None] & _BONDED.to(device), -torch.inf)
            if request.counts is not None:
                gumbel = None if k == steps - 1 else [rng.gumbel(size=(n_max, len(types))) for rng in rngs]
                atom_logits = _constrained(atom_logits, gumbel, sizes, request.counts, clamp)
            atom_p, pair_p = atom_logits.softmax(-1), pair_logits.softmax(-1)
            if k == steps - 1:
                state = GraphFlowOutput(atoms=atom_p.argmax(-1), pairs=pair_p.argmax(-1))
                state = clamp.laid(state, mask, there)
            else:
                predicted = GraphFlowOutput(
                    atoms=draw(atom_p, u_atoms[1 + 3 * k]), pairs=draw(pair_p, u_pairs[1 + 3 * k])
                )
                rest = slice(2 + 3 * k, 4 + 3 * k)
                state = clamp.laid(self.scheduler.step(k, state, predicted, u_atoms[rest], u_pairs[rest]), mask, there)
            if trajectory:
                states.append(state)
        return _Block(
            raw=_graphs(state, sizes, n_max),
            atom_probabilities=atom_p.cpu().numpy(),
            bond_probabilities=_square_probabilities(pair_p, n_max),
            closed=clamp.closed_atoms,
            states=[_graphs(s, sizes, n_max) for s in states] if trajectory else [],
        )

    def _logits(
        self, state: GraphFlowOutput, mask: Tensor, k: int, fixed: Tensor, request: _Request
    ) -> tuple[Tensor, Tensor]:
        time_ = self.scheduler.timesteps[k].to(mask.device).expand(len(mask))
        bonds = in_square(state.pairs, self.n_max)

        def ask(condition: Tensor | None) -> tuple[Tensor, Tensor]:
            atoms, pairs = self.network(state.atoms, bonds, mask, time_, fixed=fixed, condition=condition)
            return atoms.float(), pairs.float()

        atoms, pairs = ask(None)
        if request.condition is not None:
            steered = ask(request.condition.expand(len(mask), -1))
            w = request.guidance
            atoms, pairs = (torch.lerp(a.log_softmax(-1), b.log_softmax(-1), w) for a, b in zip((atoms, pairs), steered, strict=True))
        return atoms / request.temperature, pairs / request.temperature

    def _samples(
        self, pieces: list[_Block], kept: NDArray[np.intp], request: _Request, began: float
    ) -> GraphSamples:
        types = self.types
        n_fixed = 0 if request.fragment is None else len(request.fragment)
        smiles: list[str | None] = []
        raw_smiles, reasons, graphs = [], [], []
        for row in kept.tolist():
            piece, k = pieces[row // BLOCK], row % BLOCK
            one = piece.raw.take(np.array([k]))
            (mol,) = drawn(one, types)
            reason = strict_reason(mol)
            reasons.append(reason)
            raw_smiles.append(Chem.MolToSmiles(mol))
            if reason is not None:
                one = _sound(piece, k, types, n_fixed)
            graphs.append(one)
            smiles.append(None if one is None else _smiles(one, types))
        empty = _empty(self.n_max)
        stacked = [empty if graph is None else graph for graph in graphs]
        return GraphSamples(
            smiles=tuple(smiles),
            raw_smiles=tuple(raw_smiles),
            raw_valid=np.array([reason is None for reason in reasons], dtype=bool),
            graphs=_stacked(stacked, self.n_max),
            reasons=tuple(reasons),
            trajectory=_trajectory(pieces, kept),
            cpu_seconds=time.process_time() - began,
        )


def load_pipeline(name: str | Path = "graph-qm9", *, device: str | torch.device = "cpu") -> GraphPipeline:
    """Load a graph generator.

    Parameters
    ----------
    name
        A shipped checkpoint, or a folder that ``molaug fit graph`` or ``save_pretrained`` wrote.
    device
        Where it shall run.

    Returns
    -------
    GraphPipeline
        In single precision, ready to draw.
    """
    folder = checkpoint_folder(name, DiffusionPipeline.config_name)
    pipeline: GraphPipeline = GraphPipeline.from_pretrained(folder, local_files_only=True, low_cpu_mem_usage=False)
    pipeline.network.float().eval()
    return pipeline.to(device)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Request:
    seed: int
    temperature: float
    guidance: float
    condition: Tensor | None
    weights: NDArray[np.float64]
    counts: Counts | None
    fragment: Fragment | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    raw: KekuleGraphs
    atom_probabilities: NDArray[np.float32]  # (BLOCK, n_max, n_types)
    bond_probabilities: NDArray[np.float32]  # (BLOCK, n_max, n_max, 4)
    closed: NDArray[np.bool_]  # (BLOCK, n_max)
    states: list[KekuleGraphs]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Clamp:
    """A fragment laid on the first atoms of every row of a block."""

    atoms: Tensor  # (BLOCK, n_max)
    pairs: Tensor  # (BLOCK, n_pairs)
    fixed: Tensor  # (BLOCK, n_max)
    held: Tensor  # (BLOCK, n_pairs): both atoms are fixed
    closed: Tensor  # (BLOCK, n_pairs): no bond may be made
    closed_atoms: NDArray[np.bool_]

    @classmethod
    def of(cls, fragment: Fragment | None, first: NDArray[np.int64], n_max: int, device: torch.device) -> _Clamp:
        n = len(first)
        atoms, bonds = np.zeros((n, n_max), dtype=np.int64), np.zeros((n, n_max, n_max), dtype=np.int64)
        fixed, closed = np.zeros((n, n_max), dtype=bool), np.zeros((n, n_max), dtype=bool)
        if fragment is not None:
            chosen = first % len(fragment.graphs)
            atoms[:], bonds[:] = fragment.graphs.atoms[chosen], fragment.graphs.bonds[chosen]
            fixed[:, : len(fragment)] = True
            closed[:, : len(fragment)] = fragment.closed[chosen]
        a, b, f, c = (torch.from_numpy(x).to(device) for x in (atoms, bonds, fixed, closed))
        held = of_pairs(f[:, :, None] & f[:, None])
        shut = of_pairs(c[:, :, None] | c[:, None]) & ~held
        return cls(atoms=a, pairs=of_pairs(b), fixed=f, held=held, closed=shut, closed_atoms=closed)

    def laid(self, state: GraphFlowOutput, mask: Tensor, there: Tensor) -> GraphFlowOutput:
        return GraphFlowOutput(
            atoms=torch.where(self.fixed, self.atoms, state.atoms) * mask,
            pairs=torch.where(self.held, self.pairs, state.pairs) * there,
        )


_BONDED = torch.arange(BOND_ORDERS) > 0


def _constrained(
    logits: Tensor, gumbel: list[NDArray[np.float64]] | None, sizes: NDArray[np.intp], counts: Counts, clamp: _Clamp
) -> Tensor:
    """Return logits that leave each atom one type only: a draw within the limits, or the best at the end."""
    scores = logits.log_softmax(-1).cpu().numpy().astype(float)  # (BLOCK, n_max, n_types)
    fixed, fixed_atoms = clamp.fixed.cpu().numpy(), clamp.atoms.cpu().numpy()
    chosen = torch.zeros(logits.shape[:2], dtype=torch.long)
    for row, size in enumerate(sizes.tolist()):
        noisy = scores[row, :size] + (0.0 if gumbel is None else gumbel[row][:size])
        held = np.flatnonzero(fixed[row, :size])
        noisy[held] = -1e9  # anything but what is fixed
        noisy[held, fixed_atoms[row, held]] = 0.0
        chosen[row, :size] = torch.from_numpy(counts.assign(noisy))
    only = torch.nn.functional.one_hot(chosen, logits.shape[-1]).to(logits.device)
    return torch.where(only > 0, 0.0, -torch.inf)


def _square_probabilities(pairs: Tensor, n_max: int) -> NDArray[np.float32]:
    square: NDArray[np.float32] = torch.stack([in_square(p, n_max) for p in pairs.unbind(-1)], -1).cpu().numpy()
    return square  # (n, n_max, n_max, 4)


def _graphs(state: GraphFlowOutput, sizes: NDArray[np.intp], n_max: int) -> KekuleGraphs:
    return KekuleGraphs(
        atoms=state.atoms.cpu().numpy().astype(np.uint8),
        bonds=in_square(state.pairs, n_max).cpu().numpy().astype(np.uint8),
        sizes=sizes.astype(np.uint8),
    )


def _sound(piece: _Block, k: int, types: AtomTypes, n_fixed: int) -> KekuleGraphs | None:
    size = int(piece.raw.sizes[k])
    found = projected(
        piece.raw.atoms[k, :size],
        piece.raw.bonds[k, :size, :size],
        piece.atom_probabilities[k, :size],
        piece.bond_probabilities[k, :size, :size],
        types,
        n_fixed=n_fixed,
        closed=piece.closed[k, :size],
    )
    if found is None:
        return None
    graph = _empty(piece.raw.n_max)
    graph.atoms[0, :size], graph.bonds[0, :size, :size] = found.atoms, found.bonds
    graph.sizes[0] = size
    return graph if strict_reason(drawn(graph, types)[0]) is None else None


def _smiles(graph: KekuleGraphs, types: AtomTypes) -> str:
    (mol,) = drawn(graph, types)
    Chem.SanitizeMol(mol)
    smiles: str = Chem.MolToSmiles(mol)
    return smiles


def _empty(n_max: int) -> KekuleGraphs:
    return KekuleGraphs(
        atoms=np.zeros((1, n_max), dtype=np.uint8),
        bonds=np.zeros((1, n_max, n_max), dtype=np.uint8),
        sizes=np.zeros(1, dtype=np.uint8),
    )


def _stacked(graphs: list[KekuleGraphs], n_max: int) -> KekuleGraphs:
    if not graphs:
        return _empty(n_max).take(np.empty(0, dtype=np.intp))
    return KekuleGraphs(
        atoms=np.concatenate([graph.atoms for graph in graphs]),
        bonds=np.concatenate([graph.bonds for graph in graphs]),
        sizes=np.concatenate([graph.sizes for graph in graphs]),
    )


def _trajectory(pieces: list[_Block], kept: NDArray[np.intp]) -> tuple[KekuleGraphs, ...]:
    if not pieces or not pieces[0].states:
        return ()
    return tuple(_stacked(list(states), states[0].n_max).take(kept) for states in _per_step(pieces))


def _per_step(pieces: list[_Block]) -> Iterator[tuple[KekuleGraphs, ...]]:
    return zip(*(piece.states for piece in pieces), strict=True)
