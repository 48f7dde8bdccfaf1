"""Numbers of synapses that single edges have of their own, and templates that these ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.circuit import Column, SynapseRule
from isocortex.circuit.synapses import OF_EDGES, in_nanosiemens, template_of
from isocortex.errors import InputError
from isocortex.sonata.hdf5 import attributes

#: SONATA's group of numbers by the names that parameter files have for them.
DYNAMICS = "dynamics_params"
#: Synapses of a ``syn_type_id`` from here on excite.
EXCITATORY = 100


def with_templates(
    rules: list[SynapseRule], rule: NDArray[np.int32], columns: dict[str, FloatArray]
) -> tuple[list[SynapseRule], NDArray[np.int32]]:
    """Rules, and those of edges; types without a template have those that syn_type_id means."""
    kinds = columns.pop("syn_type_id", None)
    if kinds is None:
        return rules, rule
    rules, rule = list(rules), rule.copy()
    for r, plain in enumerate(tuple(rules)):
        for excites, name in ((True, "ProbAMPANMDA_EMS"), (False, "ProbGABAAB_EMS")):
            meant = (rule == r) & ~np.isnan(kinds) & ((kinds >= EXCITATORY) == excites)
            if plain.model_template is None and meant.any():
                rule[meant] = len(rules)
                rules.append(replace(plain, model_template=name))
    return rules, rule


def dynamics_of(members: h5py.Group, path: Path, count: int) -> dict[str, Column]:
    """Columns that the members of a group have for numbers of their synapses."""
    dynamics = members.get(DYNAMICS)
    if not isinstance(dynamics, h5py.Group):
        return {}
    found = attributes(dynamics, path, count)
    return {f"{DYNAMICS}/{name}": values for name, values in found.items()}


def numbers_of_edges(
    columns: dict[str, FloatArray], rules: list[SynapseRule], rule: NDArray[np.int32]
) -> dict[str, FloatArray]:
    """Numbers that edges have of their own, taken out of their columns.

    Conductances become weights.
    """
    own = {name: columns.pop(name) for name in OF_EDGES if name in columns}
    prefix = f"{DYNAMICS}/"
    own |= {name.removeprefix(prefix): columns.pop(name)
            for name in tuple(columns) if name.startswith(prefix)}  # fmt: skip
    conductance = columns.pop("conductance", None)
    given = own if conductance is None else own | {"conductance": conductance}
    for name, values in given.items():
        for r in np.unique(rule[~np.isnan(values)]).tolist():
            if name not in _read(rules[r]):
                raise InputError(
                    f"{name} is read by no synapse of model_template {rules[r].model_template!r}",
                    fix="Put it into dynamics_params by the name that these have for it, or remove "
                    "it.",
                )  # fmt: skip
    if conductance is not None:
        weight = columns.get("syn_weight", np.full(len(rule), np.nan))
        twice = np.flatnonzero(~np.isnan(weight) & ~np.isnan(conductance))
        if len(twice):
            raise InputError(
                f"edge {twice[0]} has both conductance and syn_weight",
                fix="Remove one of them: both are the weight.",
            )  # fmt: skip
        columns["syn_weight"] = np.where(np.isnan(weight), conductance, weight)
    return own


def _read(rule: SynapseRule) -> set[str]:
    """Names of numbers that synapses of an edge type may have of their own."""
    template = template_of(rule.model_template)
    if template is None:
        return set()
    return template.names | ({"conductance", *OF_EDGES} if in_nanosiemens(rule) else set())
