"""Circuits that isocortex can write itself: a place to start, and something to measure."""

from isocortex.examples.microcircuit import write_microcircuit

__all__ = ["write_microcircuit"]
