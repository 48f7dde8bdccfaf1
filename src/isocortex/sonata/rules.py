"""What the synapses of each edge type are, from the table of types and its parameter files."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import IntArray
from isocortex.circuit import SynapseRule
from isocortex.circuit.synapses import TEMPLATES
from isocortex.errors import ConfigError, InputError
from isocortex.sonata.types import Types, parse_list
from isocortex.text import read_json

logger = logging.getLogger(__name__)

#: Template -> what is read of its parameter file, here and by BMTK.
READ = {name.lower(): made.names for name, made in TEMPLATES.items()}
#: Names that parameters of synapses have in one model or another.
SYNAPTIC = (
    r"e|e_?rev|v_?rev|e_?syn|reversal\w*|tau\w*|g|g_?(max|bar|syn)|conductance|u0|use|dep|fac|p0"
    r"|p_?release|nmda\w*|threshold|a_\w+|pbtilde"
)
#: Names of numbers that would change a synapse if they were read.
PARAMETER = re.compile(rf"{SYNAPTIC}|(syn_?)?weight|(syn_?)?delay|u", re.IGNORECASE)


class Rules:
    """Reads the rule of every type once, and every parameter file once.

    Parameters
    ----------
    types : edge types.
    synaptic_models : the folder of dynamics_params.
    """

    def __init__(self, types: Types, synaptic_models: Path | None) -> None:
        self.types, self.file, self.synaptic_models = types, types.file, synaptic_models
        self._json: dict[str, dict[str, Any]] = {}
        self._told: set[str] = set()

    def of(self, type_ids: IntArray) -> tuple[list[SynapseRule], NDArray[np.int32]]:
        """The distinct rules of some edges, and which of them each edge has (int32[m])."""
        distinct, rule = np.unique(type_ids, return_inverse=True)
        return [self._rule(int(i)) for i in distinct], rule.astype(np.int32)

    def _rule(self, type_id: int) -> SynapseRule:
        row = self.types.row(type_id)
        where: dict[str, Any] = {"file": self.file, "field": f"edge type {type_id}"}
        sections = parse_list(row.get("target_sections")) or []
        distance = parse_list(row.get("distance_range"))
        bounds: tuple[float, ...] | None
        try:
            bounds = None if distance is None else tuple(float(x) for x in distance)
        except (TypeError, ValueError):
            bounds = ()
        if bounds is not None:
            bounds = (0.0, *bounds) if len(bounds) == 1 else bounds
            if len(bounds) != 2 or not bounds[0] <= bounds[1]:
                raise InputError(
                    f"distance_range {distance} is not [from, to]", fix="Two numbers in um.",
                    **where,
                )  # fmt: skip
        name, template = row.get("dynamics_params"), row.get("model_template")
        dynamics = self._dynamics(name) if name is not None else {}
        self._tell_unread(dynamics, name, str(template).lower())
        return SynapseRule(
            model_template=template,
            dynamics=dynamics,
            dynamics_file=name,
            target_sections=tuple(str(s) for s in sections),
            distance_range=None if bounds is None else (bounds[0], bounds[1]),
            is_gap_junction=is_gap_junction(row, where),
        )

    def _tell_unread(self, dynamics: dict[str, Any], name: str | None, template: str) -> None:
        """Say once of a file which of its parameters such a synapse does not have."""
        unread = [k for k in dynamics if template in READ and k not in READ[template]]
        unread = [k for k in unread if PARAMETER.fullmatch(k)]
        if name is not None and unread and name not in self._told:
            self._told.add(name)
            logger.warning(
                "%s: %s is read by no %s, here as in BMTK, and changes no synapse",
                self.synaptic_models / name if self.synaptic_models else name,
                ", ".join(unread), template,
            )  # fmt: skip

    def _dynamics(self, name: str) -> dict[str, Any]:
        if name not in self._json:
            if self.synaptic_models is None:
                raise ConfigError(
                    f"{name!r} is needed, but components has no synaptic_models_dir",
                    file=self.file, fix="Add synaptic_models_dir.",
                )  # fmt: skip
            path = self.synaptic_models / str(name)
            if not path.is_file():
                raise InputError(
                    "file does not exist", file=path,
                    fix="It is to hold the synapse parameters (dynamics_params) of an edge type: "
                    "put it there, or mend the name.",
                )  # fmt: skip
            value = read_json(path)
            self._json[name] = value
        return self._json[name]


def is_gap_junction(row: Mapping[str, Any], where: dict[str, Any]) -> bool:
    """What an edge type says of being a gap junction; texts are as in tables."""
    said = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    value = row.get("is_gap_junction")
    told = str(False if value is None else value).lower()
    if told not in said:
        raise ConfigError(
            f"is_gap_junction is {value!r}", fix="Write True or False.", **where
        )  # fmt: skip
    return said[told]
