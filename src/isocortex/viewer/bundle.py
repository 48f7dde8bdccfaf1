"""The page: built from ``viewer/`` by esbuild when the package is built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from isocortex.errors import InputError

#: Name -> (content type, file).
PAGE = {
    "": ("text/html; charset=utf-8", "index.html"),
    "viewer.js": ("text/javascript; charset=utf-8", "viewer.js"),
    "viewer.css": ("text/css; charset=utf-8", "viewer.css"),
    "LICENSES.txt": ("text/plain; charset=utf-8", "LICENSES.txt"),
}

#: What shows the page in a cell of a notebook.
WIDGET = {"": ("text/javascript; charset=utf-8", "widget.js")}

#: The page around two of them.
PAIR = {
    "": ("text/html; charset=utf-8", "pair.html"),
    "pair.js": ("text/javascript; charset=utf-8", "pair.js"),
    "pair.css": ("text/css; charset=utf-8", "pair.css"),
}


def read_bundle(page: Mapping[str, tuple[str, str]] | None = None) -> dict[str, tuple[str, bytes]]:
    """Name -> (content type, content) of the files of a page, by default :data:`PAGE`.

    Raises
    ------
    InputError : the package was built where neither Node nor its package index could be reached.
    """
    page = PAGE if page is None else page
    folder = files("isocortex.viewer") / "static"
    try:
        return {name: (kind, (folder / file).read_bytes()) for name, (kind, file) in page.items()}
    except OSError as error:
        raise InputError(
            "the viewer's page was not built when this package was installed, because Node and npm "
            "were not to be had", file=str(folder),
            fix="In a checkout, run `pip install -e .` again where the npm registry can be "
            "reached, or `npm ci && npm run build` in its folder viewer/; or install a wheel.",
        ) from error  # fmt: skip
