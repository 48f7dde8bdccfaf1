"""Circuits of the simulator Neulite, read into SONATA and written from it.

The formats are those that its documentation describes (https://neulite.github.io, "File formats"
and the tutorials, as of 2026); none of its code was looked at.
"""

from isocortex.neulite.reading import read_neulite
from isocortex.neulite.writing import write_neulite

__all__ = ["read_neulite", "write_neulite"]
