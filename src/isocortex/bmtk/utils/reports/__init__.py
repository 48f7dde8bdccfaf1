from isocortex.bmtk.utils.reports.spike_trains import SpikeTrains

__all__ = ["SpikeTrains"]
