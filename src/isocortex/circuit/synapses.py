"""What the synapses of an edge type are, and where on their cells they sit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.place import NodeFinder, candidates, check_found
from isocortex.circuit.projection import Cells
from isocortex.errors import ConfigError, ModelError
from isocortex.mechanisms.release import (
    Release,
    depressing,
    desensitising,
    hennig,
    recovering_faster,
    tsodyks_markram,
)
from isocortex.mechanisms.synapses import Kinetics, exp1syn, exp2syn, plastic
from isocortex.random import uniform
from isocortex.text import finite

if TYPE_CHECKING:
    from isocortex.circuit.edges import EdgePopulation, SynapseRule

logger = logging.getLogger(__name__)


class Template(NamedTuple):
    """What a ``model_template`` makes of the numbers of its parameter file.

    Attributes
    ----------
    conductance : makes kinetics of the numbers ``of``: the names that each may have there, as
        BMTK's synapses differ in them.
    release : makes what plastic synapses release of the numbers ``released``, whose first names
        are its arguments.
    """

    conductance: Callable[..., Kinetics]
    of: tuple[tuple[str, ...], ...]
    release: Callable[..., Release] | None = None
    released: tuple[tuple[str, ...], ...] = ()


_TWO = (exp2syn, (("tau1",), ("tau2",), ("erev",)))
_ONE = (exp1syn, (("tau", "tau1", "tau_1"), ("erev",)))
_VESICLES = (("tau_r",), ("p0",))
_FASTER = (("tau_r0",), ("p0",), ("tau_FDR",))
#: BMTK reads no a_FDR of stp2syn, nor tau_D, tau_i and tau_f of stp5syn: those are its mod files'.
TEMPLATES = {
    "exp2syn": Template(*_TWO),
    "exp1syn": Template(*_ONE),
    "expsyn": Template(*_ONE),
    "stp1syn": Template(*_ONE, depressing, _VESICLES),
    "stp2syn": Template(*_ONE, partial(recovering_faster, a_FDR=0.5), _FASTER),
    "stp3syn": Template(*_ONE, desensitising, (*_FASTER, ("a_FDR",), ("tau_D",), ("a_D",))),
    "stp4syn": Template(*_ONE, depressing, _VESICLES),
    "stp5syn": Template(
        *_ONE, partial(hennig, tau_D=100.0, tau_i=100.0, tau_f=10.0),
        (("tau_r0",), ("pbtilde",), ("tau_FDR",), ("a_FDR",), ("a_D",), ("a_i",), ("a_f",)),
    ),
    "exp2syn_tm": Template(
        *_TWO, tsodyks_markram,
        (("use", "Use", "U"), ("dep", "Dep", "tau_rec"), ("fac", "Fac", "tau_facil")),
    ),
}  # fmt: skip
#: Templates of BMTK that are known and not there, and why.
NOT_YET = {
    "stp5isyn": "its current does not depend on the voltage",
    "exp1isyn": "its current does not depend on the voltage",
    "tmgsyn": "it has a third state of vesicles; exp2syn_tm is the model without it",
}


def kinetics_of(rule: SynapseRule, edges: EdgePopulation) -> Kinetics:
    """Time constants, reversal and plasticity of the synapses of an edge type."""
    name = (rule.model_template or "").lower()
    where = {"file": rule.dynamics_file, "field": f"edges/{edges.name}"}
    if not name:
        raise ModelError(
            "its edge types have no model_template",
            fix=f"Add the column, with one of {', '.join(sorted(TEMPLATES))}.", **where,
        )  # fmt: skip
    if name not in TEMPLATES:
        why = f": {NOT_YET[name]}" if name in NOT_YET else ""
        raise ModelError(
            f"synapse model_template {rule.model_template!r} is not supported{why}",
            fix=f"Use one of {', '.join(sorted(TEMPLATES))}.", **where,
        )  # fmt: skip
    template = TEMPLATES[name]
    numbers = _numbers(rule, template.of, where)
    if min(numbers[:-1]) <= 0:
        raise ModelError(
            f"time constants must be positive, found {numbers[:-1]}", fix="Mend them.", **where
        )
    made = template.conductance(*numbers)
    if template.release is None:
        return made
    of_release = _numbers(rule, template.released, where)
    names = (aliases[0] for aliases in template.released)
    try:
        release = template.release(**dict(zip(names, of_release, strict=True)))
    except ValueError as error:
        raise ModelError(
            f"no {name} can release so: {error}", fix="Mend its dynamics_params.", **where
        ) from error
    return plastic(made, release, name)


def _numbers(
    rule: SynapseRule, names: tuple[tuple[str, ...], ...], where: dict[str, Any]
) -> list[float]:
    """What the parameter file says under these names."""
    numbers = []
    for aliases in names:
        given = next((rule.dynamics[a] for a in aliases if a in rule.dynamics), "missing")
        value = finite(given)
        if value is None:
            raise ModelError(
                f"{rule.model_template} needs the numbers {', '.join(n for n, *_ in names)} in its "
                f"dynamics_params, and {aliases[0]} is {given!r}",
                fix="Add them (times in ms, reversal in mV)." if rule.dynamics_file
                else "Name a file that has them in dynamics_params of the edge types.",
                **where,
            )  # fmt: skip
        numbers.append(value)
    return numbers


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
