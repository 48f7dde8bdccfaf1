"""What a run of a cortex model needs: memory and time, for a machine that need not be at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isocortex.cells.library import load_cell
from isocortex.cortex.background import RATE, BackgroundProjection
from isocortex.cortex.census import Census
from isocortex.cortex.drive import target_of
from isocortex.cortex.model import CortexModel

#: Nanoseconds per step on one core, by precision: per compartment, and per cell for the channels of
#: its soma, which are there however the cell is divided (docs/performance.md). With the 152
#: compartments that cells have at dL 20 um they are 2.46 and 1.22 per compartment, as measured on
#: two cores of an AMD EPYC with AVX-512, ``benchmarks/cortex.py``.
STEP_NS = {"double": 1.87, "single": 0.93, "mixed": 0.93}
CELL_NS = {"double": 90.0, "single": 44.0, "mixed": 44.0}
#: Seconds to deliver an event that is stored, ``benchmarks/events.py``.
EVENT_SECONDS = 15e-9
#: Most memory that a run takes: Python itself with what is compiled, bytes; per compartment, by
#: precision; per neuron, for tables; per synaptic event of a millisecond, for what is on its way;
#: and per stored synapse, while these are sorted. With them runs of 100 ms are told within 10 %: of
#: scale 0.001 and 0.01 (a tenth of the synapses, single precision; 0.48 and 0.74 GB drawn, 0.63 and
#: 2.84 GB stored), of 0.02 and of the whole (all synapses, mixed; 0.84 and 17.2 GB). A run that
#: compiles its kernels takes up to 0.6 GB more.
BASE_BYTES, NEURON_BYTES, EVENT_BYTES, SYNAPSE_BYTES = 0.45e9, 500.0, 17.0, 67.0
COMPARTMENT_BYTES = {"double": 43.0, "single": 21.5, "mixed": 13.5}


@dataclass(frozen=True)
class Cost:
    """Of one run, in one precision.

    Attributes
    ----------
    compartments, events : in all, and synaptic events per simulated second at the target rates.
    stored_gb, drawn_gb : memory at its peak with synapses stored, and drawn at each spike.
    stored_seconds, drawn_seconds : of one core, per simulated second at dt 0.1 ms. Threads divide
        them: each draws onto its own neurons alone.
    """

    compartments: float
    events: float
    stored_gb: float
    drawn_gb: float
    stored_seconds: float
    drawn_seconds: float


def cost_of(cortex: CortexModel, census: Census, precision: str) -> Cost:
    """Estimate the cost of running a model at its target rates."""
    cells = [load_cell(name, cortex.recipe.dL) for name in cortex.models]
    size = np.array([cell.n_compartments for cell in cells])
    compartments = float((np.bincount(cortex.model, minlength=len(size)) * size).sum())
    table = census.degrees
    rate = np.array([target_of(*kind) for kind in zip(table["layer"], table["class"], strict=True)])
    events = float((table["neurons"] * rate * table["makes_expected"]).sum())
    background = BackgroundProjection(lambda: cortex, "").expected  # synapses
    per_step = compartments * STEP_NS[precision] + len(cortex) * CELL_NS[precision]
    steps = per_step * 1e4 * 1e-9
    memory = BASE_BYTES + COMPARTMENT_BYTES[precision] * compartments + NEURON_BYTES * len(cortex)
    memory += EVENT_BYTES * 1e-3 * events
    return Cost(
        compartments,
        events,
        (memory + SYNAPSE_BYTES * (census.total + background)) * 1e-9,
        memory * 1e-9,
        steps + EVENT_SECONDS * (events + RATE * background),
        steps + census.seconds_per_synapse * events + EVENT_SECONDS * RATE * background,
    )
