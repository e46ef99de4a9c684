"""What the pages show works: their blocks are run in order, page by page, in a folder of their own."""

from __future__ import annotations

import doctest
import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import molaug
import molaug.filters
import molaug.generators
from molaug.cli import main

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"(<!-- not executed[^\n]*-->\n)?^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """The language, text and line of each block that is to be run."""
    text = page.read_text(encoding="utf-8")
    return [
        (match[2], match[3], text[: match.start(3)].count("\n") + 1)
        for match in BLOCK.finditer(text)
        if match[1] is None
    ]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda page: page.stem)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__example__"}
    for language, text, line in blocks(page):
        if language == "bash":
            # the commands of the README are those of an installation: they are run where that is checked
            commands = [] if page.stem == "README" else [c for c in text.splitlines() if c.startswith("molaug ")]
            for command in commands:
                assert main(shlex.split(command)[1:]) == 0, f"{page.name}:{line}: {command}"
        elif text.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), line)
            report: list[str] = []
            doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append, clear_globs=False)
            assert not report, "".join(report)
            names.update(test.globs)
        else:
            source = "\n" * line + text  # errors name the line of the page
            exec(compile(source, str(page), "exec", dont_inherit=True), names)


@pytest.mark.parametrize("package", [molaug, molaug.generators, molaug.filters], ids=lambda package: package.__name__)
def test_every_public_name_is_in_the_reference(package: object) -> None:
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto(?:class|function):: (\w+)", reference, re.MULTILINE))
    assert set(package.__all__) <= documented  # type: ignore[attr-defined]


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def example(name: str) -> Any:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pictures_of_the_graph_generator_can_be_drawn_again(tiny_graphs: Path, tmp_path: Path) -> None:
    example("graph_generator").main(tmp_path, str(tiny_graphs), steps=9)
    states = (tmp_path / "graph_trajectory.svg").read_text(encoding="utf-8")
    assert "t = 0.00" in states
    assert "t = 1.00" in states
    assert (tmp_path / "graph_samples.png").stat().st_size > 1000


def test_the_pictures_of_the_samplers_can_be_drawn_again(tmp_path: Path) -> None:
    example("off_equilibrium").main(tmp_path, method="mmff94s", n=20)
    assert "normal modes, 300 K" in (tmp_path / "off_equilibrium.svg").read_text(encoding="utf-8")
    assert (tmp_path / "superposed.png").stat().st_size > 10_000
