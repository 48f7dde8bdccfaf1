"""Commands let Numba be without BLAS, which no kernel uses.

As soon as anything is compiled or loaded, Numba asks SciPy for BLAS, which takes as long as Numba
itself. In a command nobody else's compiled code misses it; in a script somebody's might.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

ASKED, ASKER = "scipy.linalg.cython_blas", "numba.np.arraymath"


class _WithoutBlas(MetaPathFinder):
    """Has no BLAS for the thread that loads the module which asks for it, while it does."""

    def __init__(self) -> None:
        self.loading = 0

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self.loading == threading.get_ident() and fullname.startswith("scipy.linalg"):
            raise ImportError(f"{ASKED} is not looked for", name=ASKED)
        if fullname != ASKER:
            return None
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def without(module: ModuleType) -> None:
            self.loading = threading.get_ident()
            try:
                load(module)
            finally:
                self.loading = 0

        spec.loader.exec_module = without  # type: ignore[method-assign]
        return spec


@contextmanager
def without_blas() -> Iterator[None]:
    """Numba that is loaded in here does not ask SciPy for BLAS."""
    finder = _WithoutBlas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
