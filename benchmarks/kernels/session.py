"""A kernel with its arguments on the GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kernels.cases import Case
from kernels.driver import Driver, Events, Kernel, flattened


class Prepared:
    """Some blocks of a case, ready for windows of a kernel.

    All blocks begin alike, each in memory of its own. There are more than asked for where some go
    together.
    """

    def __init__(
        self, driver: Driver, folder: Path, entry: dict, case: Case, blocks: int,
        state: str = "usual", steps: int = 9, events: bool = True,
    ) -> None:  # fmt: skip
        self.driver, self.entry, self.case = driver, entry, case
        self.together = entry.get("together", 1)
        self.blocks = -(-blocks // self.together) * self.together
        self.state, self.steps, self.events = state, steps, events
        self.kernel = Kernel(driver, entry, str(Path(folder) / entry["cubin"]))
        self.bytes = 0
        self._owned: list[int] = []
        self.arrays: dict[str, tuple] = {}
        self.set_window(0)

    def set_window(self, first: int) -> None:
        """Give the events of a window; the first time, the state too."""
        made = self.case.arguments(self.entry, self.state, self.blocks, first, self.steps)
        self.numbers = {k: v for k, v in made.values.items() if not np.ndim(v)}
        if not self.events:
            made.values["event_ptr"] = made.values["event_ptr"] * 0
        begun = bool(self.arrays)
        for name, what, kind, dimensions in self.entry["parameters"]:
            if what == "number" or (begun and not _of_window(name)):
                continue
            tiled = name in made.tiled
            value = np.asarray(made.tiled[name] if tiled else made.values[name]).astype(kind)
            self._put(name, value, self.blocks if tiled else 1, dimensions)
        self.flat = flattened(self.entry["parameters"], self.numbers, self.arrays)

    def _put(self, name: str, value: np.ndarray, times: int, dimensions: int) -> None:
        if name in self.arrays:
            self._free(self.arrays.pop(name)[0])
        size = value.nbytes * times
        address = self.driver.allocate(size)
        self._owned.append(address)
        self.bytes += size
        self.driver.tile(address, value, times)
        shape = value.shape if times == 1 and dimensions == value.ndim else None
        if shape is None:
            items = value.size * times
            shape = (items,) if dimensions == 1 else (items // value.shape[-1], value.shape[-1])
        self.arrays[name] = (address, shape, value.dtype)

    def _free(self, address: int) -> None:
        self._owned.remove(address)
        self.driver.free(address)

    def window(self) -> None:
        """Advance by ``steps``; the same events again if nobody sets others."""
        self.kernel.launch(self.blocks // self.together, self.flat)

    def read(self, what: str) -> np.ndarray:
        """One of the kernel's arrays."""
        address, shape, dtype = self.arrays[what]
        return self.driver.download(address, np.empty(shape, dtype))

    def seconds(self, most: float = 1.0, least: int = 3, many: int = 30) -> list[float]:
        """Of single windows, after one that warms up; no more than about ``most`` s in all."""
        marks = Events(self.driver)
        found: list[float] = []
        for k in range(many + 1):
            marks.mark(0)
            self.window()
            marks.mark(1)
            found.append(marks.seconds())
            if k >= least and sum(found) > most:
                break
        return found[1:]

    def close(self) -> None:
        """Give all memory back."""
        for address in self._owned:
            self.driver.free(address)
        self._owned.clear()


def _of_window(name: str) -> bool:
    return name.startswith("event") or name == "jump" or name == "power"


def voltages(prepared: Prepared) -> Any:
    """float64[blocks, cells, nodes]."""
    return prepared.case.voltages(prepared.entry, prepared.read("Vg"))
