from isocortex.bmtk.utils.reports.spike_trains.generators import (
    GammaSpikeGenerator,
    PoissonSpikeGenerator,
)
from isocortex.bmtk.utils.reports.spike_trains.trains import SpikeTrains, pop_na, sort_order

__all__ = ["GammaSpikeGenerator", "PoissonSpikeGenerator", "SpikeTrains", "pop_na", "sort_order"]
