"""Writing results as SONATA files, and reading them again."""

from isocortex.report.membrane import MembraneReport
from isocortex.report.output import log_to, prepare_output, provenance, write_provenance
from isocortex.report.results import Result
from isocortex.report.spikes import SpikeWriter

__all__ = [
    "MembraneReport",
    "Result",
    "SpikeWriter",
    "log_to",
    "prepare_output",
    "provenance",
    "write_provenance",
]
