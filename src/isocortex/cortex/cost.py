"""What a run of a cortex model needs: memory and time, for a machine that need not be at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isocortex.cells.library import load_cell
from isocortex.cortex.census import Census
from isocortex.cortex.drive import RATE, SYNAPSES, target_of
from isocortex.cortex.model import CortexModel

#: Bytes of state per compartment with two kinds of synapses, and ns per compartment and step on one
#: core, by precision: measured on two cores of a Xeon with AVX-512, ``benchmarks/memory.py`` and
#: ``benchmarks/cortex.py``.
STATE_BYTES = {"double": 45.0, "single": 23.0}
STEP_NS = {"double": 2.8, "single": 1.5}
#: Of a stored synapse, and of all tables about a neuron.
SYNAPSE_BYTES, NEURON_BYTES = 9.0, 130.0
#: Seconds to deliver an event that is stored, ``benchmarks/events.py``.
EVENT_SECONDS = 15e-9


@dataclass(frozen=True)
class Cost:
    """Of one run, in one precision.

    Attributes
    ----------
    compartments, events : in all, and synaptic events per simulated second at the target rates.
    stored_gb, drawn_gb : memory with synapses stored, and drawn at each spike.
    stored_seconds, drawn_seconds : of one core, per simulated second at dt 0.1 ms.
    """

    compartments: float
    events: float
    stored_gb: float
    drawn_gb: float
    stored_seconds: float
    drawn_seconds: float


def cost_of(cortex: CortexModel, census: Census, precision: str) -> Cost:
    """Estimate the cost of running a model at its target rates."""
    size = np.array([load_cell(name).n_compartments for name in cortex.models])
    compartments = float((np.bincount(cortex.model, minlength=len(size)) * size).sum())
    table = census.degrees
    rate = np.array([target_of(*kind) for kind in zip(table["layer"], table["class"], strict=True)])
    events = float((table["neurons"] * rate * table["makes_expected"]).sum())
    background = len(cortex) * RATE * SYNAPSES
    steps = compartments * 1e4 * STEP_NS[precision] * 1e-9
    state = compartments * STATE_BYTES[precision] + len(cortex) * NEURON_BYTES
    return Cost(
        compartments,
        events,
        (state + SYNAPSE_BYTES * census.total) * 1e-9,
        state * 1e-9,
        steps + EVENT_SECONDS * (events + background),
        steps + census.seconds_per_synapse * events + EVENT_SECONDS * background,
    )
