from isocortex.bmtk.utils.reports.compartment import CompartmentReport
from isocortex.bmtk.utils.reports.spike_trains import SpikeTrains

__all__ = ["CompartmentReport", "SpikeTrains"]
