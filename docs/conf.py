"""How Sphinx makes the site: `make docs` builds it from these pages as they are.

The source is the whole repository, so that links between README, documentation and measured
figures lead to pages of the site. What Sphinx needs beside the text is here and not in the text;
the lists of docs/index.md are the order of the pages.
"""

import inspect
import re
from functools import cached_property
from pathlib import Path

from isocortex import __version__

ROOT = Path(__file__).parents[1]

project = "Isocortex"
author = "The Isocortex developers"
version = release = __version__

# --- pages ------------------------------------------------------------------------------------

#: Of the repository, what the site is made of; of everything else there are only links.
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs", "benchmarks")
root_doc = "docs/index"
exclude_patterns = [
    *(path.name for path in ROOT.iterdir() if path.name not in PAGES),
    "build",
    "docs/static",
    "**/__pycache__",
]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]


def add_contents(app, name, text):
    """Append the tables of contents, which only the site needs, to the pages that have one."""
    if name == root_doc:
        for heading, lines in re.findall(r"^## (.*)\n\n((?:- .*\n)+)", text[0], re.MULTILINE):
            pages = re.findall(r"^- \[(.*)\]\((.*)\.\w+\)", lines, re.MULTILINE)
            text[0] += toctree((f"{title} <{page}>" for title, page in pages), heading)
    elif name == "docs/measured":
        results = sorted((ROOT / "benchmarks" / "results").glob("*.md"), reverse=True)
        text[0] += toctree(f"/benchmarks/results/{file.stem}" for file in results)


def toctree(entries, caption=""):
    """A table of contents; with a caption it is seen beside the page and not on it."""
    options = f":hidden:\n:caption: {caption}\n" if caption else ":maxdepth: 1\n"
    listed = "\n".join(entries)
    return f"\n\n```{{toctree}}\n{options}\n{listed}\n```\n"


def add_entrance(app, exception):
    """The site begins at its root, its pages where they are in the repository."""
    entrance = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
    (Path(app.outdir) / "index.html").write_text(entrance, encoding="utf-8")


# --- Markdown and notebooks -------------------------------------------------------------------

myst_heading_anchors = 4  # as forges make them
myst_enable_extensions = ["smartquotes"]
highlight_language = "none"  # of blocks that do not name one
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # s, of a cell
nb_merge_streams = True
nb_render_markdown_format = "myst"

# --- API --------------------------------------------------------------------------------------

default_role = "literal"
add_module_names = False
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
maximum_signature_line_length = 80

#: Arrays as their annotations are written, ``NDArray[float64]``.
NUMPY = r"~?(?:numpy\.)?"
ARRAY = re.compile(rf"{NUMPY}ndarray\[tuple\[.*?\], {NUMPY}dtype\[{NUMPY}(\w+)\]\]")
SECTIONS = "Parameters|Attributes|Returns|Yields|Raises|Notes|Examples"


def read_docstring(app, what, name, obj, options, lines):
    """The house style to reStructuredText: ``Parameters (n cells)``, then ``a, b : text``."""
    text = "\n".join(lines)
    heading = rf"^((?:{SECTIONS})(?: \(.*\))?)\n-+\n"
    before, *parts = re.split(heading, text, flags=re.MULTILINE)
    for title, section in zip(parts[::2], parts[1::2], strict=True):
        entries = re.sub(r"^([\w*][\w*, .`]*?) : (.*)$", r"**\1**\n    \2", section, flags=re.M)
        entries = entries.replace("***", r"**\*")  # **options is a name, not bold
        before += f":{title}:\n\n" + re.sub(r"^(?=.)", "    ", entries, flags=re.MULTILINE)
    lines[:] = before.split("\n")


def shorten_arrays(app, what, name, obj, options, signature, returned):
    """Signatures that can be read."""
    return tuple(text and ARRAY.sub(r"NDArray[\1]", text) for text in (signature, returned))


def skip_fields(app, what, name, obj, skip, options):
    """Fields are told under *Attributes* of their class."""
    is_code = inspect.isroutine(obj) or isinstance(obj, (property, cached_property, type))
    return True if what == "class" and not is_code else None


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_entrance)
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("autodoc-process-signature", shorten_arrays)
    app.connect("autodoc-skip-member", skip_fields)


# --- looks ------------------------------------------------------------------------------------

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = "Isocortex"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_copyright = False
