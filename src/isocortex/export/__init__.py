"""Results in formats of other tools: Neo blocks and files of Neurodata Without Borders."""

from isocortex.export.to_neo import neo_block
from isocortex.export.to_nwb import write_nwb

__all__ = ["neo_block", "write_nwb"]
