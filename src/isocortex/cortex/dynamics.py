"""Kinetics of a cortex's synapses as files of ``dynamics_params``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isocortex.cortex.model import CortexModel
from isocortex.errors import InputError
from isocortex.mechanisms.synapses import Kinetics
from isocortex.text import read_json

#: The folder they are in, beside the circuit's configuration.
FOLDER = "synaptic_models"


def dynamics_of(kinetics: Kinetics) -> dict[str, Any]:
    """What a file holds for these kinetics."""
    return {"level_of_detail": "exp2syn", "tau1": kinetics.tau_rise,
            "tau2": kinetics.tau_decay, "erev": kinetics.reversal}  # fmt: skip


def kinetics_names(cortex: CortexModel) -> dict[Kinetics, str]:
    """A name for each distinct kinetics of the rules."""
    return {
        k: f"{'AMPA' if k.excites else 'GABA'}_{k.tau_rise:g}_{k.tau_decay:g}"
        for k in cortex.kinetics
    }


def require_unchanged(cortex: CortexModel, folder: Path) -> None:
    """The files tell what a circuit that is held as a recipe has, and no run reads them.

    Raises
    ------
    InputError : one was edited, which would change nothing.
    """
    for kinetics, name in kinetics_names(cortex).items():
        path, wanted = folder / FOLDER / f"{name}.json", dynamics_of(kinetics)
        if not path.is_file():
            continue
        found = read_json(path)
        for key in {**wanted, **found}:
            if found.get(key) != wanted.get(key):
                raise InputError(
                    f"has {_said(found, key)}, but the synapses of a circuit that is held as a "
                    f"recipe come from its tables, which have {_said(wanted, key)}",
                    file=path, field=key,
                    fix="Restore it, and change synapses by isocortex.changes (decay), or build "
                    "the circuit with --materialize.",
                )  # fmt: skip


def _said(values: dict[str, Any], key: str) -> str:
    return f"{key} {values[key]!r}" if key in values else f"no {key}"
