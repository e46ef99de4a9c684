"""A page that shows what a run did: one HTML file that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase.data import chemical_symbols
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D
from rdkit.rdBase import BlockLogs

from molaug.charts import KEPT, LOST, SERIES, grouped_bars, histogram, stacked_bars
from molaug.citations import methods_of
from molaug.distributions import Collector, Comparison
from molaug.distributions.page import sections
from molaug.funnel import Funnel
from molaug.shards import read_shards
from molaug.structures import Structures
from molaug.structures.chemistry import parse
from molaug.structures.datasets import Card
from molaug.structures.doors.parquet import iter_parquet

#: Molecules that are drawn.
_DRAWN = 24

#: Rows of the base and of each generator whose distributions are compared: a second or two for each.
_COMPARED = 2000

#: Reasons that are listed.
_REASONS = 40


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A molecule of the grid.

    Parameters
    ----------
    smiles
        Its canonical SMILES.
    origin
        The generator of its first row.
    rows
        Its new rows.
    svg
        The picture.
    """

    smiles: str
    origin: str
    rows: int
    svg: Markup


@dataclass(kw_only=True)
class _Group:
    """What is shown of the base, or of the new rows: sums of a stream."""

    rows: int = 0
    molecules: Counter[str] = field(default_factory=Counter)
    origins: dict[str, str] = field(default_factory=dict)
    heavy: Counter[int] = field(default_factory=Counter)
    elements: Counter[int] = field(default_factory=Counter)
    energies: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, rows: Structures) -> None:
        """Count a batch."""
        self.rows += len(rows)
        for row in rows:
            self.heavy[int((row.numbers > 1).sum())] += 1
            self.elements.update(np.unique(row.numbers).tolist())
            if row.smiles is not None:
                self.molecules[row.smiles] += 1
                self.origins.setdefault(row.smiles, row.origin or "")
        per_atom = rows.array("energy") / np.maximum(rows.n_atoms, 1)
        self.energies.append(per_atom[np.isfinite(per_atom)])

    @property
    def energy_per_atom(self) -> NDArray[np.float64]:
        """Energies per atom of the labelled rows in eV."""
        return np.concatenate([np.zeros(0), *self.energies])


def write_report(folder: Path, funnel: Funnel, card: Card) -> Path:
    """Write ``report.html`` into the folder of a run.

    Parameters
    ----------
    folder
        With ``dataset/`` and ``config.yaml``.
    funnel
        Its counts.
    card
        Of its dataset.

    Returns
    -------
    Path
        The page: no scripts, no network, no dates; equal runs give equal bytes.
    """
    path = folder / "report.html"
    config = folder / "config.yaml"
    text = render(
        iter_parquet(folder / "dataset"),
        funnel,
        card,
        config.read_text(encoding="utf-8") if config.exists() else "",
        base=_base_shards(folder),
    )
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def render(
    rows: Iterable[Structures],
    funnel: Funnel,
    card: Card,
    configuration: str = "",
    base: Iterable[Structures] = (),
) -> str:
    """Return the page as text.

    Parameters
    ----------
    rows
        Batches of the dataset.
    funnel
        Counts of the run; rows whose origin is none of its generators are the base.
    card
        Of the dataset.
    configuration
        ``config.yaml`` as text.
    base
        Batches of the base, looked at where the dataset itself holds none of it.

    Returns
    -------
    str
        HTML.
    """
    old, new = _Group(), _Group()
    collector = Collector(max_rows=_COMPARED)
    for batch in rows:
        origins = batch.column("origin")
        made = np.array([origin in funnel.proposed for origin in origins], dtype=bool)
        for group, part in ((new, batch.filter(made)), (old, batch.filter(~made))):
            group.add(part)
        collector.add_new(batch.filter(made), [origin for origin in origins if origin in funnel.proposed])
        collector.add_base(batch.filter(~made))
    comparison = _compared(collector, () if old.rows else base, funnel, card)
    environment = Environment(
        loader=PackageLoader("molaug"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    fates = {"in the dataset": KEPT, **{f"rejected by {s}": _lost(k) for k, s in enumerate(_stages(funnel))}}
    plain = yaml.safe_load(configuration) if configuration else {}
    return environment.get_template("report.html.j2").render(
        card=card,
        funnel=funnel,
        table=funnel.table(),
        fates=fates,
        bars=Markup(stacked_bars(_segments(funnel), fates)),  # noqa: S704 -- charts escape their labels
        reasons=_reasons(funnel),
        base=old,
        new=new,
        charts=_charts(old, new),
        comparison=comparison,
        sections=sections(comparison, most=8) if comparison.base_rows[0] else [],
        series=SERIES,
        drawings=drawings(new.molecules, new.origins),
        configuration=configuration,
        methods=methods_of(plain if isinstance(plain, Mapping) else {}),
    )


def _compared(collector: Collector, base: Iterable[Structures], funnel: Funnel, card: Card) -> Comparison:
    for batch in base:
        collector.add_base(batch)
    return collector.comparison("base", card.name, order=tuple(funnel.proposed))


def _base_shards(folder: Path) -> Iterator[Structures]:
    """Stream the base of a run as it was read."""
    return read_shards(sorted((folder / "work" / "base").glob("part-*.parquet")))


def drawings(molecules: Mapping[str, int], origins: Mapping[str, str], n: int = _DRAWN) -> list[Drawing]:
    """Draw molecules.

    Parameters
    ----------
    molecules
        Rows by SMILES, in the order in which they are drawn.
    origins
        Generator by SMILES.
    n
        At most so many.

    Returns
    -------
    list of Drawing
        Without those that cannot be drawn.
    """
    found: list[Drawing] = []
    for smiles, rows in molecules.items():
        if len(found) == n:
            break
        svg = _depict(smiles)
        if svg is not None:
            found.append(Drawing(smiles=smiles, origin=origins.get(smiles, ""), rows=rows, svg=svg))
    return found


def _depict(smiles: str, width: int = 170, height: int = 130) -> Markup | None:
    mol = parse(smiles)
    if mol is None:
        return None
    with BlockLogs():
        rdDepictor.Compute2DCoords(mol)
        canvas = rdMolDraw2D.MolDraw2DSVG(width, height)
        options: Any = canvas.drawOptions()
        options.clearBackground = False
        options.fixedBondLength = 28.0
        options.minFontSize = 10
        rdMolDraw2D.PrepareAndDrawMolecule(canvas, mol)
        canvas.FinishDrawing()
    text: str = canvas.GetDrawingText()
    # an SVG inside HTML has no XML declaration
    return Markup(text[text.index("<svg") :].strip())  # noqa: S704 -- drawn by RDKit from a parsed graph


def _stages(funnel: Funnel) -> list[str]:
    """Return the stages, and further authors of reasons after them."""
    authors = sorted({author for counts in funnel.rejected.values() for author in counts})
    known = {*funnel.stages, *funnel.proposed}
    return [*funnel.stages, *(author for author in authors if author not in known)]


def _segments(funnel: Funnel) -> dict[str, list[tuple[str, int]]]:
    """Return for each generator what became of its rows."""
    segments = {}
    for name in funnel.proposed:
        lost: Counter[str] = Counter()
        for author, count in funnel.rejected.get(name, {}).items():
            # what a generator rejects of its own stands under its name
            lost["generation" if author in funnel.proposed else author] += count
        segments[name] = [
            ("in the dataset", funnel.emitted[name]),
            *((f"rejected by {stage}", lost[stage]) for stage in _stages(funnel)),
        ]
    return segments


def _lost(number: int) -> str:
    return LOST[min(number, len(LOST) - 1)]


def _reasons(funnel: Funnel) -> list[tuple[str, str, int]]:
    counted = [(name, reason, n) for name, reasons in funnel.reasons.items() for reason, n in reasons.items()]
    return sorted(counted, key=lambda line: (-line[2], line[0], line[1]))[:_REASONS]


def _charts(base: _Group, new: _Group) -> list[dict[str, Any]]:
    groups = {"base": base, "new": new}
    heavy = sorted({*base.heavy, *new.heavy})
    sizes = list(range(heavy[0], heavy[-1] + 1)) if heavy else []
    elements = sorted({*base.elements, *new.elements})
    charts = [
        (
            "Heavy atoms",
            "share of structures",
            grouped_bars(
                [str(size) for size in sizes],
                {name: [group.heavy[size] / max(group.rows, 1) for size in sizes] for name, group in groups.items()},
                "heavy atoms",
            ),
        ),
        (
            "Elements",
            "share of structures that hold the element",
            grouped_bars(
                [chemical_symbols[number] for number in elements],
                {name: [g.elements[number] / max(g.rows, 1) for number in elements] for name, g in groups.items()},
                "elements",
            ),
        ),
    ]
    energies = {name: group.energy_per_atom for name, group in groups.items()}
    if any(values.size for values in energies.values()):
        charts.append(("Energy per atom", "share of labelled structures", histogram(energies, "energy per atom", "eV")))
    return [{"title": title, "what": what, "svg": Markup(svg)} for title, what, svg in charts]  # noqa: S704
