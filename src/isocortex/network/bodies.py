"""Where the compartments of a population's cells are in space."""

from __future__ import annotations

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.compiled import CompiledCell
from isocortex.cells.extracellular import halfway, placed, rotation, towards
from isocortex.circuit import NodePopulation
from isocortex.circuit.columns import numbers
from isocortex.errors import ConfigError
from isocortex.random import uniform

#: Names of a node's place, in the order in which BMTK looks for them.
PLACES = ("positions_{}", "position_{}", "{}")


class Bodies:
    """Where the compartments of a population's cells are.

    A cell is turned by its ``rotation_angle_*axis`` as in BMTK. Where no node has any but all have
    a direction of the pia (``normal_x``, ``_y``, ``_z``), its apical dendrite points there, and it
    is turned about that direction at random, by its node id.

    Parameters
    ----------
    rows : of the cells that are asked for.
    places : whether it matters where they are, and not only how they are turned.

    Raises
    ------
    ConfigError : one of them has no place, or no direction where all are turned to one.
    """

    def __init__(self, nodes: NodePopulation, seed: int, rows: IntArray, *, places: bool) -> None:
        columns, n = nodes.columns, len(nodes.node_ids)

        def axes(names: list[str]) -> FloatArray:
            found = [numbers(columns[x]) if x in columns else np.full(n, np.nan) for x in names]
            return np.column_stack(found).astype(np.float64)

        place = next((p for p in PLACES if p.format("x") in columns), PLACES[-1])
        where = [place.format(axis) for axis in "xyz"]
        angles = [f"rotation_angle_{axis}axis" for axis in "xyz"]
        normals = [f"normal_{axis}" for axis in "xyz"]
        self.upright = all(x in columns for x in normals) and not any(x in columns for x in angles)
        position, self.normal = axes(where), axes(normals)
        if places:
            _require(nodes, rows, where, position, "place")
        if self.upright:
            somewhere = np.where(self.normal.any(axis=1, keepdims=True), self.normal, np.nan)
            _require(nodes, rows, normals, somewhere, "direction")
        self.position, self.angles = np.nan_to_num(position), np.nan_to_num(axes(angles))
        key = f"turn about the normal: {nodes.name}"
        self.twist = 2.0 * np.pi * uniform(seed, key, nodes.node_ids)

    def of(self, row: int, model: CompiledCell) -> tuple[FloatArray, FloatArray]:
        """float64[n_nodes, 3] start and end of every node of a cell, um."""
        return placed(model, self.position[row], self.turns(row, model))

    def halfway(self, row: int, model: CompiledCell) -> FloatArray:
        """float64[n_nodes, 3], half-way along every compartment of a cell, um."""
        return halfway(model, self.position[row], self.turns(row, model))

    def told(self, rows: IntArray) -> tuple[FloatArray, ...]:
        """What says where some cells are, and how they are turned, as it was read."""
        turned = (self.normal, self.twist) if self.upright else (self.angles,)
        return tuple(each[rows] for each in (self.position, *turned))

    def turns(self, rows: int | IntArray, model: CompiledCell) -> FloatArray:
        """float64[..., 3, 3], how cells of a model are turned."""
        if self.upright:
            return towards(model, self.normal[rows], self.twist[rows])
        angles = self.angles[rows].reshape(-1, 3)
        turned = np.array([rotation(*each) for each in angles])
        return turned.reshape(*np.shape(rows), 3, 3)


def _require(
    nodes: NodePopulation, rows: IntArray, names: list[str], values: FloatArray, what: str
) -> None:
    """Refuse to take the origin, or nowhere, for what some rows of a population do not tell."""
    unknown = rows[np.flatnonzero(~np.isfinite(values[rows]).all(axis=1))]
    if len(unknown):
        lacking = [name for name in names if name not in nodes.columns]
        fault = f"has no {', '.join(lacking)}" if lacking else f"{', '.join(names)} are none"
        raise ConfigError(
            f"node {nodes.node_ids[unknown[0]]} of {nodes.name} has no {what}: {fault}",
            field=f"{nodes.name}.{(lacking or names)[0]}",
            fix="Give it to the nodes, or choose other cells.",
        )  # fmt: skip
