"""What other tools read: results as Neo blocks and NWB files, embedded cells as SWC and fit."""

from isocortex.export.cells import write_cells
from isocortex.export.to_neo import neo_block
from isocortex.export.to_nwb import write_nwb

__all__ = ["neo_block", "write_cells", "write_nwb"]
