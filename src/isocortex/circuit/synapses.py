"""What the synapses of an edge type are, and where on their cells they sit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.place import NodeFinder, candidates, check_found
from isocortex.circuit.projection import Cells
from isocortex.errors import ConfigError, ModelError
from isocortex.mechanisms.synapses import Kinetics, exp1syn, exp2syn
from isocortex.random import uniform
from isocortex.text import finite

if TYPE_CHECKING:
    from isocortex.circuit.edges import EdgePopulation, SynapseRule

logger = logging.getLogger(__name__)


#: Template -> how its kinetics are made, and of which numbers of its parameter file: the names that
#: each may have there, as BMTK's synapses differ in them.
_ONE = (exp1syn, (("tau", "tau1", "tau_1"), ("erev",)))
TEMPLATES: dict[str, tuple[Callable[..., Kinetics], tuple[tuple[str, ...], ...]]] = {
    "exp2syn": (exp2syn, (("tau1",), ("tau2",), ("erev",))),
    "exp1syn": _ONE,
    "expsyn": _ONE,
}


def kinetics_of(rule: SynapseRule, edges: EdgePopulation) -> Kinetics:
    """Time constants and reversal of the synapses of an edge type."""
    template = (rule.model_template or "").lower()
    where = {"file": rule.dynamics_file, "field": f"edges/{edges.name}"}
    if not template:
        raise ModelError(
            "its edge types have no model_template",
            fix=f"Add the column, with one of {', '.join(sorted(TEMPLATES))}.", **where,
        )  # fmt: skip
    if template not in TEMPLATES:
        later = " (short-term plasticity is not supported yet)" if "stp" in template else ""
        raise ModelError(
            f"synapse model_template {rule.model_template!r} is not supported{later}",
            fix=f"Use one of {', '.join(sorted(TEMPLATES))}.", **where,
        )  # fmt: skip
    make, names = TEMPLATES[template]
    numbers = []
    for aliases in names:
        given = next((rule.dynamics[a] for a in aliases if a in rule.dynamics), "missing")
        value = finite(given)
        if value is None:
            raise ModelError(
                f"{rule.model_template} needs the numbers {', '.join(n for n, *_ in names)} in its "
                f"dynamics_params, and {aliases[0]} is {given!r}",
                fix="Add them (ms, ms, mV)." if rule.dynamics_file
                else "Name a file that has them (ms, ms, mV) in dynamics_params of the edge types.",
                **where,
            )  # fmt: skip
        numbers.append(value)
    if min(numbers[:-1]) <= 0:
        raise ModelError(
            f"time constants must be positive, found {numbers[:-1]}", fix="Mend them.", **where
        )
    return make(*numbers)


def sign_and_count(edges: EdgePopulation, rule: SynapseRule, at: IntArray) -> NDArray[np.float64]:
    """BMTK's factor on the weight of an edge to a point neuron: sign times nsyns.

    Edges with an explicit location carry their weight as it is.
    """
    plain = ~edges.weight_is_final[at]
    if not plain.any():
        return np.ones(len(at))
    if "sign" not in rule.dynamics:
        raise ModelError(
            "an edge to a point neuron needs `sign` in its dynamics_params",
            file=rule.dynamics_file, field=f"edges/{edges.name}", fix="Add 1 or -1.",
        )  # fmt: skip
    sign = rule.dynamics["sign"]
    if finite(sign) is None:
        raise ModelError(
            f"`sign` must be a number, found {sign!r}", file=rule.dynamics_file,
            field=f"edges/{edges.name}", fix="Use 1 or -1.",
        )  # fmt: skip
    return np.where(plain, sign * edges.nsyns[at], 1.0)


def place_synapses(
    edges: EdgePopulation,
    rule: SynapseRule,
    at: IntArray,
    cells: Cells,
    seed: int,
) -> tuple[IntArray, IntArray]:
    """(edge, node) of every synapse of the edges ``at``, in order of edges."""
    chosen_edges, chosen_nodes = [], []
    explicit = edges.section_id[at] >= 0
    model_of_edge = cells.model[edges.target_index[at]]
    for m in np.unique(model_of_edge):
        model = cells.models[m]
        here = at[explicit & (model_of_edge == m)]
        if len(here):
            section, x = edges.section_id[here].astype(np.int64), edges.section_pos[here]
            node = NodeFinder(model).at(section, x)
            check_found(node, section, x, edges.name, model.name)
            ends = ((x == 0.0) | (x == 1.0)) & (model.section_type[node] != SECTION_TYPES["soma"])
            if ends.any():
                logger.warning(
                    "%s: %d synapses at the very end of a section (afferent_section_pos 0 or 1) are"
                    " put into its outermost compartment; NEURON has a node of its own there",
                    edges.name, np.count_nonzero(ends),
                )  # fmt: skip
            chosen_edges.append(here)
            chosen_nodes.append(node)
        here = at[~explicit & (model_of_edge == m)]
        if len(here):
            if not rule.target_sections:
                raise ConfigError(
                    "edges have neither a location nor target_sections",
                    field=f"edges/{edges.name}",
                    fix="Add target_sections and distance_range to the edge type.",
                )
            nodes, cumulative = candidates(model, rule.target_sections, rule.distance_range)
            if len(nodes) == 0:
                logger.warning(
                    "%s: model %s has no %s within %s um of its soma; %d edges make no synapse",
                    edges.name, model.name, "/".join(rule.target_sections),
                    rule.distance_range, len(here),
                )  # fmt: skip
                continue
            edge = np.repeat(here, edges.nsyns[here])
            copy = np.arange(len(edge)) - np.repeat(
                np.cumsum(edges.nsyns[here]) - edges.nsyns[here], edges.nsyns[here]
            )
            number = edge if edges.number is None else edges.number[edge]
            u = uniform(seed, f"place {edges.name}", number, copy)
            chosen_edges.append(edge)
            chosen_nodes.append(nodes[np.searchsorted(cumulative, u, side="right")])
    edge = np.concatenate([*chosen_edges, np.zeros(0, np.int64)]).astype(np.int64)
    node = np.concatenate([*chosen_nodes, np.zeros(0, np.int64)]).astype(np.int64)
    order = np.argsort(edge, kind="stable")
    return edge[order], node[order]
