"""The command line: what can be asked for; what is then done stands in :mod:`molaug.commands`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from molaug import __version__
from molaug.registry import FEATURES, MODELS, SELECTORS

#: Exit codes: a run that failed, a request that cannot be carried out, Ctrl-C.
FAILED, WRONG, INTERRUPTED = 1, 2, 130

_RIDGE = "as a share of the mean eigenvalue of the information matrix (default: %(default)s)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv
        Arguments; those of the process by default.

    Returns
    -------
    int
        0 where all went well.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb is None:
        parser.print_help()
        return WRONG
    if arguments.verb == "fit":
        arguments.traceback |= "--traceback" in arguments.options
    else:  # processes are what runs in parallel; numerical libraries read these when they are loaded
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
    from molaug import commands  # heavy, and not needed for --help

    try:
        code: int = getattr(commands, arguments.verb.replace("-", "_"))(arguments)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, the same command goes on from it", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has left
        return 0
    except (ValueError, TypeError, KeyError, OSError, ImportError) as error:
        if arguments.traceback:
            raise
        print(f"molaug {arguments.verb}: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return WRONG
    except RuntimeError as error:
        if arguments.traceback:
            raise
        print(f"molaug {arguments.verb}: {error}", file=sys.stderr)
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="molaug", description="Data augmentation for atomistic machine learning: propose, filter, label, emit."
    )
    parser.add_argument("--version", action="version", version=f"molaug {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.add_argument("--traceback", action="store_true", help="show where an error came from")
        return sub

    sub = verb("augment", "make an augmented dataset from a database and a budget of labels")
    _run_options(sub)
    sub.add_argument("--budget", help="structures to label at most, or 'all'")
    sub.add_argument("--select", metavar="NAME", help=f"{', '.join(SELECTORS)} (default: stratified)")
    sub.add_argument("--label", metavar="CALCULATOR", help="gfn2-xtb, b3lyp/6-31g(2df,p), …, module:Class, or none")
    sub.add_argument("--relax", action="store_true", default=None, help="relax the selected structures first")
    sub.add_argument("--base-labels", choices=("check", "relabel", "mixed"), help="what happens to the base's labels")
    sub.add_argument(
        "--relabel-base", dest="base_labels", action="store_const", const="relabel", help="--base-labels relabel"
    )
    sub.add_argument("--emit", choices=("base+new", "new"), help="what the dataset holds")

    sub = verb("generate", "propose structures and write them unlabelled, in resumable shards")
    _run_options(sub)

    sub = verb("label", "label every structure of a dataset, in resumable shards")
    sub.add_argument("source", help="a known name or a path")
    _source_options(sub)
    _execution_options(sub)
    sub.add_argument("--calculator", default="gfn2-xtb", help="default: %(default)s")
    sub.add_argument("--level", help="name of the level of theory, if it is not that of the calculator")
    for what in ("charge", "multiplicity"):
        sub.add_argument(
            f"--{what}-key",
            metavar="KEY",
            help=f"how a calculator takes the {what} (an argument, info:NAME, initial_charges or initial_magmoms)",
        )
    sub.add_argument("--keep-failed", metavar="FOLDER", help="keep the calculator's files of structures that failed")
    sub.add_argument(
        "--fail-fast", type=int, metavar="N", help="stop if the first N all fail for one reason (default: 8; 0: never)"
    )
    sub.add_argument("--allow-force-field", action="store_true", help="let mmff94s or uff label, of one molecule only")
    sub.add_argument("--formats", nargs="+", default=None, help="further formats to export to")
    sub.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="options of the calculator")

    sub = verb("filter", "judge structures against a base; write those kept and those rejected with their reasons")
    sub.add_argument("source", help="the candidates: a known name or a path")
    _source_options(sub)
    sub.add_argument("--base", help="what they are to be added to: a known name or a path; nothing by default")
    sub.add_argument("--filters", nargs="+", default=["validity", "redundancy"], metavar="NAME")
    sub.add_argument("--against", nargs="+", default=[], metavar="INDEX", help="indices of known molecules")
    sub.add_argument("--set", nargs="+", default=[], metavar="FILTER.KEY=VALUE", help="options of the filters")
    sub.add_argument("--out", required=True, help="folder for kept.parquet and rejected.parquet")

    sub = verb("score", "add predicted energy, uncertainty and leverage to the rows of a dataset")
    sub.add_argument("source", help="a known name or a path")
    _source_options(sub)
    sub.add_argument("--base", help="what leverage is measured against: a name or a path (default: the source)")
    sub.add_argument("--model", metavar="NAME", help=f"whence energies and uncertainties: {', '.join(MODELS)}")
    sub.add_argument("--features", metavar="NAME", help=f"whence leverages: {', '.join(FEATURES)}")
    sub.add_argument("--ridge", type=float, default=1e-4, help=_RIDGE)
    sub.add_argument(
        "--set", nargs="+", default=[], metavar="PART.KEY=VALUE", help="options, as model.checkpoint=my-potential"
    )
    sub.add_argument("--out", required=True, help="a path that ends in .parquet")

    sub = verb("select", "select rows of a dataset that are worth a label")
    sub.add_argument("source", help="the candidates: a known name or a path")
    _source_options(sub)
    sub.add_argument("--base", help="what is known already: a known name or a path; nothing by default")
    sub.add_argument("--budget", type=int, required=True, metavar="N", help="rows wanted")
    sub.add_argument(
        "--select", default="stratified", metavar="NAME", help=f"{', '.join(SELECTORS)} (default: %(default)s)"
    )
    sub.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    sub.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="options of the selector")
    sub.add_argument("--stream", action="store_true", help="hold ids and features of the candidates, not the rows")
    sub.add_argument("--out", required=True, help="a path that ends in .parquet; gets the column rank")

    sub = verb("feasibility", "say whether a model can be trained on a dataset, before any label is computed")
    sub.add_argument("source", help="the training set: a known name or a path")
    _source_options(sub)
    sub.add_argument("--target", metavar="DATA", help="structures of which predictions are wanted: a name or a path")
    _features_options(sub)
    sub.add_argument("--json", metavar="PATH", help="write the figures")

    sub = verb("prune", "remove the most redundant rows of a database, and say what that costs beside chance")
    sub.add_argument("source", help="a known name or a path")
    _source_options(sub)
    sub.add_argument("--keep", type=float, default=0.7, metavar="SHARE", help="of the rows (default: %(default)s)")
    _features_options(sub)
    sub.add_argument("--draws", type=int, default=5, metavar="N", help="random removals beside (default: %(default)s)")
    sub.add_argument("--measure", action="store_true", help="also train regressions on what is kept and compare errors")
    sub.add_argument("--level", help="level of theory of the energies for --measure, if there are several")
    sub.add_argument(
        "--split",
        choices=("molecule", "structure"),
        default="molecule",
        help="what --measure holds out as a whole (default: %(default)s)",
    )
    sub.add_argument("--seeds", type=int, default=5, metavar="N", help="test parts of --measure (default: %(default)s)")
    sub.add_argument("--seed", type=int, default=0, help="of these and of random removals (default: %(default)s)")
    sub.add_argument("--out", required=True, help="folder for kept.parquet, removed.parquet and report.json")

    sub = verb(
        "compare", "compare energies, bond lengths and other distributions of new structures with those of a base"
    )
    sub.add_argument("base", help="a known name or a path")
    sub.add_argument("new", help="what is compared with it: a known name or a path")
    sub.add_argument("--base-format", metavar="FORMAT", help="format of the base, if it cannot be told")
    sub.add_argument("--new-format", metavar="FORMAT", help="format of the new structures, if it cannot be told")
    sub.add_argument(
        "--quantities", metavar="NAMES", help="some of energies,bonds,angles,torsions,contacts,forces; all by default"
    )
    sub.add_argument(
        "--by", default="origin", metavar="COLUMN", help="column that groups new rows, or 'none' (default: %(default)s)"
    )
    sub.add_argument("--max-rows", type=int, help="rows drawn at most of the base and of each group (default: 5000)")
    sub.add_argument("--bins", type=int, default=100, help="of the histograms (default: %(default)s)")
    sub.add_argument("--all", action="store_true", help="print every type; those with most new values by default")
    sub.add_argument("--html", metavar="PATH", help="write a page with the histograms")
    sub.add_argument("--json", metavar="PATH", help="write all numbers and histograms")

    sub = verb("evaluate", "evaluate generated molecules: validity as drawn, uniqueness, novelty, distributions, yield")
    actions = sub.add_subparsers(dest="action", metavar="ACTION", required=True)
    samples = actions.add_parser("samples", help="evaluate files of samples, one for each seed")
    samples.add_argument("files", nargs="+", metavar="FILE", help="SMILES, csv, SDF, xyz, npz or Parquet")
    samples.add_argument(
        "--reference", nargs="+", metavar="DATA", help="what the generator was made for: names or paths"
    )
    samples.add_argument(
        "--known",
        default="qm9-keys",
        metavar="INDEX",
        help="index of known molecules, or 'none' (default: %(default)s)",
    )
    samples.add_argument("--cpu-seconds", nargs="+", type=float, metavar="S", help="of sampling, one for each file")
    samples.add_argument(
        "--strain", type=int, default=0, metavar="N", help="relax N geometries of each file with GFN2-xTB"
    )
    samples.add_argument("--json", metavar="PATH", help="write all figures and counts")

    sub = verb(
        "fit", "train a generator or a potential on data of your own; the same command goes on after an interruption"
    )
    sub.add_argument(
        "what", nargs="?", metavar="NAME", help="graph, diffusion, potential; without it, what can be trained is listed"
    )
    sub.add_argument(
        "options", nargs=argparse.REMAINDER, metavar="...", help="options of the training: molaug fit NAME --help"
    )

    sub = verb("prepare", "write geometries as one compact file, from which the 3D generator is trained")
    sub.add_argument("source", nargs="+", help="known names or paths")
    sub.add_argument("--out", required=True, help="a path that ends in .geometries.npz")
    sub.add_argument("--columns", nargs="+", default=[], metavar="NAME", help="scalar columns to keep")
    sub.add_argument("--max-atoms", type=int, help="leave out molecules of more atoms")
    sub.add_argument("--seed", type=int, default=0, help="of the roots of SMILES orders (default: %(default)s)")
    sub.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: %(default)s)")

    sub = verb("missing", "list the AMONs of targets that a base lacks, those that most targets need first")
    sub.add_argument("--targets", required=True, help="a known name or a path")
    sub.add_argument("--base", required=True, help="a known name or a path")
    sub.add_argument("--max-heavy", type=int, default=7, help="heavy atoms of an AMON at most (default: %(default)s)")
    sub.add_argument("--out", help="CSV file; a table of the first 20 is printed anyway")

    sub = verb("index", "build, merge and ask indices of known molecules")
    actions = sub.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build an index of the molecules of a dataset")
    build.add_argument("source", nargs="+", help="known names or paths")
    build.add_argument("--out", required=True, help="folder")
    build.add_argument("--kinds", nargs="+", metavar="KIND", help="flat, isomeric, inchikey, skeleton; all by default")
    build.add_argument("--bits", type=int, default=64, help="bits of each key that are kept: 44 make a small file")
    build.add_argument("--workers", type=int, default=1, metavar="N")
    merge = actions.add_parser("merge", help="merge indices")
    merge.add_argument("index", nargs="+", help="names or folders")
    merge.add_argument("--out", required=True, help="folder")
    info = actions.add_parser("info", help="say what an index holds")
    info.add_argument("index", help="a name or a folder")
    ask = actions.add_parser("ask", help="say which molecules an index knows")
    ask.add_argument("index", help="a name or a folder")
    ask.add_argument("smiles", nargs="+")

    sub = verb("convert", "read a dataset of any format and write it in another")
    sub.add_argument("source", help="a known name or a path")
    sub.add_argument("target", help="a path; without a suffix it becomes a dataset folder")
    _source_options(sub)
    sub.add_argument("--to", metavar="FORMAT", help="format of the target, if its suffix does not tell")
    sub.add_argument("--max-heavy", type=int, help="leave out molecules of more heavy atoms")
    sub.add_argument("--only-level", metavar="LEVEL", help="of several levels of theory the one to write")
    sub.add_argument("--overwrite", action="store_true")

    sub = verb("datasets", "list the datasets that are known by name, or show one of them")
    sub.add_argument("name", nargs="?")

    sub = verb("validate", "check a configuration file, or the checksums and rows of a dataset folder")
    sub.add_argument("path")

    verb("schema", "print the JSON schema of the configuration file, for editors")
    return parser


def _run_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--config", help="YAML file with the same names; options given here take precedence")
    sub.add_argument("--base", help="the database: a known name (molaug datasets) or a path; default g2")
    _source_options(sub)
    _execution_options(sub)
    sub.add_argument(
        "--max-heavy", type=int, help="only molecules of the base of at most so many heavy atoms are parents"
    )
    sub.add_argument("--max-parents", help="rows of the base drawn to be parents: auto (default), all or a number")
    sub.add_argument(
        "--generators",
        nargs="+",
        metavar="NAME",
        help="amons, conformers, normal-modes, dynamics, torsions, perturb, graph, diffusion (default: the first two)",
    )
    sub.add_argument("-n", type=int, help="rows for each parent, in all where none are needed")
    sub.add_argument("--filters", nargs="+", metavar="NAME", help="default: validity redundancy")
    sub.add_argument("--against", nargs="+", metavar="INDEX", help="indices of molecules that count as known")
    sub.add_argument("--formats", nargs="+", help="further formats to export to: extxyz db ani sdf pyg smiles")
    sub.add_argument("--seed", type=int)
    sub.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="any key, for instance amons.max_heavy=5"
    )
    sub.add_argument("--dry-run", action="store_true", help="count what would be done, compute nothing")
    sub.add_argument("--print-config", action="store_true", help="print the complete configuration and stop")


def _source_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--format", help="format of the source, if it cannot be told")
    sub.add_argument("--option", nargs="+", default=[], metavar="KEY=VALUE", help="options of the reader, as level=…")


def _features_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--features", default="distances", metavar="NAME", help=f"{', '.join(FEATURES)} (default: %(default)s)"
    )
    sub.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="options of the features")
    sub.add_argument("--ridge", type=float, default=1e-4, help=_RIDGE)


def _execution_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", help="folder of the run; the same command continues it")
    sub.add_argument("--workers", type=int, default=1, metavar="N", help="local processes (default: %(default)s)")
    sub.add_argument("--dask", metavar="ADDRESS", help="run shards on the Dask cluster with this scheduler")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")


if __name__ == "__main__":
    sys.exit(main())
