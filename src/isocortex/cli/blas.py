"""Commands let Numba be without BLAS, which no kernel uses.

As soon as anything is compiled or loaded, Numba asks SciPy for BLAS, which takes as long as Numba
itself. In a command nobody else's compiled code misses it; in a script somebody's might.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

ASKED, ASKER = "scipy.linalg.cython_blas", "numba.np.arraymath"


class WithoutBlas(MetaPathFinder):
    """Finds the module that asks, once, and hides SciPy's BLAS while it is loaded."""

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != ASKER:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        if spec is None or spec.loader is None or ASKED in sys.modules:
            return spec
        load = spec.loader.exec_module

        def hidden(module: ModuleType) -> None:
            sys.modules[ASKED] = None  # type: ignore[assignment]
            try:
                load(module)
            finally:
                del sys.modules[ASKED]

        spec.loader.exec_module = hidden  # type: ignore[method-assign]
        return spec
