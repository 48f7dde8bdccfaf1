"""The kernels in numba-cuda's simulator, which must be on, for a small cell."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
from neurons import random_tree
from numba import cuda

from isocortex.cells.compiled import CompiledCell, MechanismTable
from kernels import prepare, spread
from kernels.cases import Case
from kernels.workload import WINDOW

VARIANTS = ("C-4w", "D-5wb", "D-4w-half", "D-4wb-x3-copied")


def small_cell() -> CompiledCell:
    """A random tree with channels at its soma."""
    cell = random_tree(1, 14, ("CaDynamics", "Ca_LVA", "Kv3_1", "NaTs"))
    at_soma = {
        name: MechanismTable(np.zeros(1, np.int32), {k: v[:1] for k, v in table.parameters.items()})
        for name, table in cell.mechanisms.items()
    }
    cell.mechanisms.clear()
    cell.mechanisms.update(at_soma)
    return cell


def everything(folder: str, n_windows: int) -> None:
    """Run all kernels, two blocks of them, and keep what they leave in ``left.npz``."""
    cell = small_cell()
    prepare.write_case(cell, Path(folder), (n_windows, 4))
    case = Case(Path(folder), cell.name)
    left = {name: voltages(name, cell, case, Path(folder), n_windows) for name in VARIANTS}
    np.savez(Path(folder) / "left.npz", expected=case["strong.single"], **left, **spread_spikes())


def voltages(name: str, cell, case: Case, folder: Path, n_windows: int) -> np.ndarray:
    """float64[windows, cells, nodes] of the last of some blocks."""
    variant = next(v for v in prepare.VARIANTS if v.name == name)
    entry = asdict(variant) | {"plan": variant.plan}
    function, wanted, shared = prepare.kernel_of(variant, cell, folder)
    state, found, blocks = {}, [], max(2, variant.together)
    shape = blocks // variant.together, (32, variant.warps * variant.together)
    for window in range(n_windows):
        made = case.arguments(entry, "strong", blocks, window * WINDOW, WINDOW)
        for key, value in made.tiled.items():
            if not state.keys() >= {key} or key.startswith("event"):
                state[key] = np.concatenate([value] * blocks)
        arguments = [prepare._typed(key, (made.values | state)[key]) for key in wanted]
        cuda.jit(function)[*shape, 0, shared](*arguments)
        state |= {k: v for k, v in zip(wanted, arguments, strict=True) if k in state}
        found.append(case.voltages(entry, state["Vg"])[-1])
    return np.array(found)


def spread_spikes() -> dict[str, np.ndarray]:
    """What the kernels of events leave, and what they were given."""
    cells, per_cell, rules, sites, ring, room = 64, 40, 3, 8, 8, 512
    connections = np.zeros(cells * per_cell, np.int64)
    blocks, slot, spikes = cells // 32, 5, np.array([3, 17, 60], np.int32)
    cuda.jit(spread.connect)[-(-connections.size // 256), 256](
        connections, per_cell, cells, 16, 20, rules
    )
    site = np.arange(7, 7 + rules * sites).astype(np.uint16)
    count, bins = np.zeros(ring * blocks, np.int32), np.zeros(ring * blocks * room, np.uint32)
    cuda.jit(spread.spread)[2, (32, 2)](
        spikes, connections, per_cell, site, sites, 4, slot, ring, room, blocks, count, bins
    )
    return {
        "connections": connections, "spikes": spikes, "count": count, "bins": bins, "site": site,
        "slot": np.int64(slot), "ring": np.int64(ring), "room": np.int64(room),
        "blocks": np.int64(blocks), "per_cell": np.int64(per_cell),
    }  # fmt: skip
