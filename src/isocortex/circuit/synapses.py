"""What the synapses of an edge type are, and where on their cells they sit."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.cells.channels import load_mechanisms
from isocortex.cells.compiled import SECTION_TYPES
from isocortex.cells.place import NodeFinder, candidates, check_found
from isocortex.circuit.projection import Cells
from isocortex.errors import ConfigError, ModelError
from isocortex.mechanisms.point import SYNAPSES, Synapse
from isocortex.mechanisms.release import (
    Release,
    at_random,
    depressing,
    desensitising,
    hennig,
    of_three_states,
    recovering_faster,
    tsodyks_markram,
)
from isocortex.mechanisms.synapses import Kinetics, exp1syn, exp2syn, nmda, receptor
from isocortex.nmodl.importing import mods_of
from isocortex.random import keys, uniform
from isocortex.text import finite

if TYPE_CHECKING:
    from isocortex.circuit.edges import EdgePopulation, SynapseRule

logger = logging.getLogger(__name__)


#: What a number of a parameter file may be called, and perhaps what it is where it is not given.
Names = tuple[str | float, ...]


class Part(NamedTuple):
    """One of the conductances of a synapse.

    Attributes
    ----------
    make : makes kinetics of the numbers ``of``: the names that each may have in a parameter file,
        as BMTK's synapses differ in them.
    factors : numbers that its weight is multiplied by.
    name : where there are several.
    scale : makes one more factor of the numbers ``of``.
    """

    make: Callable[..., Kinetics]
    of: tuple[Names, ...]
    factors: tuple[Names, ...] = ()
    name: str = ""
    scale: Callable[..., float] | None = None


class Template(NamedTuple):
    """What a ``model_template`` makes of the numbers of its parameter file.

    Attributes
    ----------
    parts : its conductances.
    release : makes what plastic synapses release of the numbers ``released``, whose first names
        are its arguments.
    """

    parts: tuple[Part, ...]
    release: Callable[..., Release] | None = None
    released: tuple[Names, ...] = ()

    @property
    def names(self) -> set[str]:
        """All names of numbers that it reads."""
        of_parts = chain.from_iterable((*part.of, *part.factors) for part in self.parts)
        return {n for n in chain(*of_parts, *self.released) if isinstance(n, str)}


_TWO = (Part(exp2syn, (("tau1",), ("tau2",), ("erev",))),)
_ONE = (Part(exp1syn, (("tau", "tau1", "tau_1"), ("erev",))),)
_VESICLES = (("tau_r",), ("p0",))
_FASTER = (("tau_r0",), ("p0",), ("tau_FDR",))


def _jahr_stevens(
    tau1: float, tau2: float, erev: float, mg: float, slope: float, scale: float
) -> Kinetics:
    if mg < 0.0 or scale <= 0.0:
        raise ValueError(f"mg must be 0 or more and scale_mg above 0, found {mg:g} and {scale:g}")
    return nmda(tau1, tau2, erev, mg / scale, slope)


#: Attributes of edges that are numbers of synapses, in SONATA's words.
OF_EDGES = (
    "u_syn", "depression_time", "facilitation_time", "decay_time", "n_rrp_vesicles",
    "conductance_scale_factor",
)  # fmt: skip
#: Weights of the synapses of the Blue Brain Project are nS; names and numbers are those of its mod
#: files (BlueBrain/neurodamus-models), and of its attributes of edges.
_GMAX: Names = ("gmax", 1e-3)
#: A factor that the versions of the Nair lab (tjbanks, Glickert) have besides.
_INIT: Names = ("initW", 1.0)


def _ampa_nmda(of_ampa: tuple[Names, ...], of_nmda: tuple[Names, ...]) -> tuple[Part, ...]:
    """Both conductances, with these factors on their weights."""
    ampa = (("tau_r_AMPA", 0.2), ("decay_time", "tau_d_AMPA", 1.7), ("e", "erev", 0.0))
    nmda = (("tau_r_NMDA", 0.29), ("tau_d_NMDA", 43.0), ("e", "erev", 0.0), ("mg", 1.0),
            ("slope_mg", 0.062), ("scale_mg", 3.57))  # fmt: skip
    ratio = ("conductance_scale_factor", "NMDA_ratio", 0.71)
    return (
        Part(exp2syn, ampa, of_ampa, "AMPA"),
        Part(_jahr_stevens, nmda, (*of_nmda, ratio), "NMDA"),
    )


_AMPA_NMDA = _ampa_nmda((_GMAX,), (_GMAX,))
_GABA_AB = (
    Part(
        exp2syn,
        (("tau_r_GABAA", 0.2), ("decay_time", "tau_d_GABAA", 8.0), ("e_GABAA", -80.0)),
        (_GMAX,), "GABAA",
    ),
    Part(
        exp2syn, (("tau_r_GABAB", 3.5), ("tau_d_GABAB", 260.9), ("e_GABAB", -97.0)),
        (_GMAX, ("conductance_scale_factor", "GABAB_ratio", 0.0)), "GABAB",
    ),
)  # fmt: skip
_FUHRMANN: tuple[Names, ...] = (
    ("use", "u_syn", "Use", 1.0), ("dep", "depression_time", "Dep", 100.0),
    ("fac", "facilitation_time", "Fac", 10.0), ("u0", 0.0),
)  # fmt: skip
_MEAN = (tsodyks_markram, _FUHRMANN)
_AT_RANDOM = (at_random, (*_FUHRMANN, ("sites", "n_rrp_vesicles", "Nrrp", 1.0)))
#: BMTK reads no a_FDR of stp2syn, nor tau_D, tau_i and tau_f of stp5syn: those are its mod files'.
TEMPLATES = {
    "exp2syn": Template(_TWO),
    "exp1syn": Template(_ONE),
    "expsyn": Template(_ONE),
    "stp1syn": Template(_ONE, depressing, _VESICLES),
    "stp2syn": Template(_ONE, partial(recovering_faster, a_FDR=0.5), _FASTER),
    "stp3syn": Template(_ONE, desensitising, (*_FASTER, ("a_FDR",), ("tau_D",), ("a_D",))),
    "stp4syn": Template(_ONE, depressing, _VESICLES),
    "stp5syn": Template(
        _ONE, partial(hennig, tau_D=100.0, tau_i=100.0, tau_f=10.0),
        (("tau_r0",), ("pbtilde",), ("tau_FDR",), ("a_FDR",), ("a_D",), ("a_i",), ("a_f",)),
    ),
    "exp2syn_tm": Template(
        _TWO, tsodyks_markram,
        (("use", "Use", "U"), ("dep", "Dep", "tau_rec"), ("fac", "Fac", "tau_facil")),
    ),
    "tmgsyn": Template(
        (Part(exp1syn, (("tau", "tau_1", 3.0), ("e", "erev", -90.0))),), of_three_states,
        (("tau", "tau_1", 3.0), ("U", 0.04), ("tau_rec", 100.0), ("tau_facil", 1000.0),
         ("u0", 0.0)),
    ),
    "AMPA_NMDA_STP": Template(
        _ampa_nmda((("gmax_AMPA", 1e-3), _INIT), (("gmax_NMDA", 1e-3), _INIT)), *_MEAN,
    ),
    "GABA_A_STP": Template(
        (Part(
            exp2syn,
            (("tau_r_GABAA", 0.2), ("decay_time", "tau_d_GABAA", 8.0), ("e_GABAA", -75.0)),
            (_GMAX, _INIT),
        ),), *_MEAN,
    ),
    "DetAMPANMDA": Template(_AMPA_NMDA, *_MEAN),
    "DetGABAAB": Template(_GABA_AB, *_MEAN),
    "ProbAMPANMDA_EMS": Template(_AMPA_NMDA, *_AT_RANDOM),
    "ProbGABAAB_EMS": Template(_GABA_AB, *_AT_RANDOM),
}  # fmt: skip
MEND = "Mend its dynamics_params, or the edges' own numbers."
#: The same however they are written.
_NAMED = {name.lower(): name for name in TEMPLATES}
#: Templates of BMTK that are known and not there, and why.
NOT_YET = {
    "stp5isyn": "its current does not depend on the voltage",
    "exp1isyn": "its current does not depend on the voltage",
    "bg2pyr": "its conductance saturates",
    **dict.fromkeys(("pyr2pyr", "pyr2int", "int2pyr", "int2int"), "its weight learns"),
}


def template_of(model_template: str | None) -> Template | None:
    """That of a name, if there is one: the package's, else one of a user's file."""
    name = _NAMED.get(str(model_template).lower())
    if name is None and str(model_template) in SYNAPSES:
        return _own_template(SYNAPSES[str(model_template)])
    return TEMPLATES.get(name or "")


def _own_template(synapse: type[Synapse]) -> Template:
    """What a synapse of a user's file makes of its parameters, which may keep their defaults."""
    defaults = {name: parameter.default for name, parameter in synapse.parameters.items()}

    def one(k: int, which: int, *numbers: float) -> Any:
        return synapse.made(dict(zip(defaults, numbers, strict=True)))[k][which]

    n = len(synapse.made(defaults))
    return Template(tuple(
        Part(partial(one, k, 0), tuple(defaults.items()), name=str(k + 1) if n > 1 else "",
             scale=partial(one, k, 1))
        for k in range(n)
    ))  # fmt: skip


def load_templates(names: Iterable[str | None], files: Iterable[Path], folder: Path | None) -> None:
    """Make known those templates of edges that the package does not have.

    Parameters
    ----------
    files : Python or mod files that define mechanisms and synapses.
    folder : with mod files.
    """
    unknown = {name for name in names if name and template_of(name) is None}
    if not unknown:
        return
    for file in files:
        unknown -= set(load_mechanisms(file))
    for mod in mods_of(folder, unknown) if folder is not None else []:
        load_mechanisms(mod)


def in_nanosiemens(rule: SynapseRule) -> bool:
    """Whether weights of the synapses of an edge type are nS, as ``conductance`` of edges is."""
    template = template_of(rule.model_template)
    return template is not None and any(name.startswith("gmax") for name in template.names)


def parts_of(rule: SynapseRule) -> int:
    """How many conductances synapses of an edge type have, as far as it is known."""
    template = template_of(rule.model_template)
    return 1 if template is None else len(template.parts)


class Conductance(NamedTuple):
    """One that an edge makes: its kinetics, and by what the weight of the edge is multiplied."""

    kinetics: Kinetics
    factor: float


def conductances_of(
    rule: SynapseRule, edges: EdgePopulation, at: IntArray
) -> tuple[list[tuple[Conductance, ...]], IntArray]:
    """What edges of a type make, where that is the same once, and which of these each makes.

    Numbers of edges' own stand in place of those of the type.
    """
    template = template_of(rule.model_template)
    names = [name for name in edges.own if template is not None and name in template.names]
    if not names:
        return [_conductances(rule, edges, {})], np.zeros(len(at), np.int64)
    rows, which = np.unique(
        np.column_stack([edges.own[name][at] for name in names]), axis=0, return_inverse=True
    )
    made = []
    for row in rows.tolist():
        own = {name: value for name, value in zip(names, row, strict=True) if value == value}
        made.append(_conductances(rule, edges, own))
    return made, which.reshape(-1)


def _conductances(
    rule: SynapseRule, edges: EdgePopulation, own: dict[str, float]
) -> tuple[Conductance, ...]:
    """Time constants, reversal, block and plasticity of synapses; ``own`` are those of edges."""
    where: dict[str, Any] = {"file": rule.dynamics_file, "field": f"edges/{edges.name}"}
    if not rule.model_template:
        raise ModelError(
            "its edge types have no model_template",
            fix=f"Add the column, with one of {', '.join(sorted(TEMPLATES))}.", **where,
        )  # fmt: skip
    template = template_of(rule.model_template)
    if template is None:
        name = rule.model_template.lower()
        why = f": {NOT_YET[name]}" if name in NOT_YET else ""
        raise ModelError(
            f"synapse model_template {rule.model_template!r} is not supported{why}",
            fix=f"Use one of {', '.join(sorted(TEMPLATES))}.", **where,
        )  # fmt: skip
    name = _NAMED.get(rule.model_template.lower(), rule.model_template)
    if _INIT[0] in template.names and rule.dynamics.get("stdevW"):
        raise ModelError(
            "initW is drawn with stdevW by a function of a user's own, which is not read",
            fix="Remove stdevW, and put what is drawn into the weights of the edges.", **where,
        )  # fmt: skip
    release = None
    if template.release is not None:
        numbers = _numbers(rule, own, template.released, where)
        names = (str(aliases[0]) for aliases in template.released)
        try:
            release = template.release(**dict(zip(names, numbers, strict=True)))
        except ValueError as error:
            raise ModelError(f"no {name} can release so: {error}", fix=MEND, **where) from error
    made = []
    for part in template.parts:
        numbers = _numbers(rule, own, part.of, where)
        times = [n for n, (first, *_) in zip(numbers, part.of, strict=True)
                 if str(first).startswith(("tau", "decay_time"))]  # fmt: skip
        if part.scale is None and min(times, default=1.0) <= 0:  # those of files say it themselves
            raise ModelError(
                f"time constants must be positive, found {numbers[:2]}", fix="Mend them.", **where
            )
        if part.factors and times[0] >= times[1]:  # only BMTK's own synapses put up with it
            raise ModelError(
                f"conductances of {name} must rise faster than they decay, found "
                f"{times[0]:g} and {times[1]:g} ms", fix=MEND, **where,
            )  # fmt: skip
        try:
            kinetics = part.make(*numbers)
        except ValueError as error:
            raise ModelError(f"no {name} can be so: {error}", fix=MEND, **where) from error
        release_of = release or kinetics.release
        of_file = part.scale is not None  # a netcon_report knows it by its name
        if release_of is not None or of_file or len(template.parts) > 1:
            kinetics = receptor(kinetics, release_of, name, part.name)
        factors = _numbers(rule, own, part.factors, where)
        if min(factors, default=0.0) < 0.0:  # neurodamus takes -1 for no ratio of an edge's own
            said = [str(first) for first, *_ in part.factors]
            raise ModelError(
                f"conductances of {name} must be 0 or more, found {factors} "
                f"for {', '.join(said)}", fix=MEND, **where,
            )  # fmt: skip
        factor = math.prod(factors) * (1.0 if part.scale is None else part.scale(*numbers))
        made.append(Conductance(kinetics, factor))
    return tuple(made)


def _numbers(
    rule: SynapseRule, own: dict[str, float], names: tuple[Names, ...], where: dict[str, Any]
) -> list[float]:
    """What edges say under these names, else the parameter file, else what is usual."""
    numbers = []
    for aliases in names:
        named = [a for a in aliases if isinstance(a, str)]
        usual = [a for a in aliases if isinstance(a, float)]
        found = [values[a] for values in (own, rule.dynamics) for a in named if a in values]
        given = next(iter(found + usual), "missing")
        value = finite(given)
        if value is None:
            raise ModelError(
                f"{rule.model_template} needs the numbers {', '.join(str(n) for n, *_ in names)} "
                f"in its dynamics_params, and {aliases[0]} is {given!r}",
                fix="Add them (times in ms, reversal in mV)." if rule.dynamics_file
                else "Name a file that has them in dynamics_params of the edge types.",
                **where,
            )  # fmt: skip
        numbers.append(value)
    return numbers


def is_random(made: list[tuple[Conductance, ...]]) -> bool:
    """Whether some of these release at random."""
    releases = (part.kinetics.release for parts in made for part in parts)
    return any(release is not None and release.sites > 0.0 for release in releases)


def keys_of(edges: EdgePopulation, edge: IntArray) -> IntArray:
    """int64[m], 53 random bits that name each synapse of edges, which come in their order.

    No more, as tables of terminals and states hold them as float64.
    """
    number = edge if edges.number is None else edges.number[edge]
    begins = np.flatnonzero(np.diff(edge, prepend=-1))
    copy = np.arange(len(edge)) - np.repeat(begins, np.diff(begins, append=len(edge)))
    return (keys(f"release {edges.name}", number, copy) >> np.uint64(11)).astype(np.int64)


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
