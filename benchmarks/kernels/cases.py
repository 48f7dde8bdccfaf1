"""Arguments of kernels for any number of blocks, from the files that ``prepare`` left.

Needs NumPy alone: a machine with a GPU need not have the package's dependencies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LANES = 32


@dataclass
class Arguments:
    """What a kernel is called with, by the names in its ``parameters``.

    Attributes
    ----------
    values : numbers, and arrays that are the same for any number of blocks.
    tiled : arrays of one block's, to be repeated for every block.
    """

    values: dict[str, Any]
    tiled: dict[str, np.ndarray] = field(default_factory=dict)


class Case:
    """A model with its states, events and what the CPU makes of them."""

    def __init__(self, folder: Path, name: str) -> None:
        with np.load(Path(folder) / f"{name}.npz") as file:
            self.arrays = {key: file[key] for key in file.files}
        self.about = json.loads(str(self.arrays.pop("about")))
        self.name, self.n = name, self.about["nodes"]

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def arguments(self, kernel: dict, state: str, blocks: int, first: int, steps: int) -> Arguments:
        """Arguments of one of the kernels.

        Parameters
        ----------
        kernel : what ``prepare`` says of it.
        state : "strong", at rest and then driven until all cells spike, or "usual".
        first, steps : which of the events act, in steps.
        """
        made = self._for_block(kernel, state, blocks, first, steps)
        made.values |= {"first": first, "last": first + steps}
        return made

    def _events(self, state: str, first: int, steps: int) -> dict[str, np.ndarray]:
        step = self[f"{state}.step"]
        due = (step >= first) & (step < first + steps)
        names = ("step", "node", "kind", "lane", "weight")
        return {name: self[f"{state}.{name}"][due] for name in names}

    def _for_block(self, kernel, state: str, blocks: int, first: int, steps: int) -> Arguments:
        prefix = f"{kernel['plan']}:"
        kept = {k[len(prefix) :]: v for k, v in self.arrays.items() if k.startswith(prefix)}
        order, row = kept.pop("order"), kept.pop("row")
        new = np.argsort(order)
        kept |= {"row": row.astype(np.int32), "n_rows": int(row.max()) + 1}
        row, n_rows = row[new], kept["n_rows"]
        events = self._events(state, first, steps)
        at = 2 * (row[events["node"]] * LANES + events["lane"]) + events["kind"]
        ptr = np.searchsorted(events["step"], first + np.arange(steps + 1))
        each = np.append(np.arange(blocks).repeat(steps) * len(at), 0)
        kept |= {
            "event_ptr": (each + np.append(np.tile(ptr[:-1], blocks), 0)).astype(np.int32),
            "jump": self["jump"][:steps].ravel(), "power": self["power"][: steps + 1].ravel(),
            "region_node": np.zeros(1, np.int32), "P": self["P"], "n": self.n,
            "n_states": self.about["states"], "e1": self.about["reversal"][0],
            "e2": self.about["reversal"][1], "dt": self.about["dt"],
            "threshold": self.about["threshold"], "nernst": self.about["nernst"],
        }  # fmt: skip
        kept["event_ptr"][-1] = blocks * len(at)
        E = np.zeros((n_rows, LANES, 4), np.float32)
        for term, name in enumerate("AB"):
            rows = self[f"{state}.{name}"]
            E[row[self["row_node"]], :, 2 * self["row_kind"] + term] = rows
        tiled = {
            "Vg": self[f"{state}.V"][order], "Sg": self[f"{state}.S"],
            "Eg": (E * 1024).astype(np.float16) if kernel["half"] else E,
            "spike_step": np.full((1, LANES), -1, np.int32), "event_at": at.astype(np.int32),
            "event_weight": events["weight"].astype(np.float32),
        }  # fmt: skip
        return Arguments(kept, tiled)

    def voltages(self, kernel: dict, array: np.ndarray) -> np.ndarray:
        """float64[blocks, cells, nodes] from the kernel's array of voltages."""
        V = array.reshape(-1, self.n, LANES).astype(np.float64)
        V = V[:, np.argsort(self[f"{kernel['plan']}:order"])]
        return V.transpose(0, 2, 1)
