"""Links and tutorials of the documentation, without the tools that make the site."""

import ast
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

import isocortex
from isocortex import experiment

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks" / "results").glob("*.md")),
]
FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def named(page):
    return str(page.relative_to(ROOT))


def text_of(page):
    """Without blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page):
    """What forges make of headings: lower case, without punctuation, hyphens for spaces."""
    anchors, seen = set(), Counter()
    for heading in re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE):
        told = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", told.lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def code_cells(page):
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    return [code for _, language, code in blocks if language.startswith("{code-cell}")]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_what_is_there(page):
    text = re.sub(r"`[^`\n]*`", "", text_of(page))
    for link in re.findall(r"\]\(([^()\s]+)\)", text):
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{link} leads to nothing"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors_of(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", [page for page in PAGES if code_cells(page)], ids=named)
def test_tutorials_are_python(page):
    compile("".join(code_cells(page)), page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_four_tutorials_and_the_gallery_are_run():
    assert len([page for page in PAGES if code_cells(page)]) == 5


def test_every_page_is_in_the_contents():
    listed = set(re.findall(r"\]\(([\w/]+\.\w+)\)", text_of(ROOT / "docs" / "index.md")))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert pages - {"index.md"} <= listed


@pytest.mark.parametrize("module", [isocortex, experiment], ids=lambda module: module.__name__)
def test_a_module_tells_names_that_it_has_not_loaded(module):
    """What is not told by `dir` is not completed, and is missing in the reference."""
    assert set(module.__all__) <= set(dir(module))


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "api" / "isocortex.rst").read_text(encoding="utf-8")
    assert set(isocortex.__all__) <= set(re.findall(r":: isocortex\.(\w+)", text))
