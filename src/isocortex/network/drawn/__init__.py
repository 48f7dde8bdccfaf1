"""Synapses that are not stored but drawn at each spike, a pure function of seed and source."""
