"""Rates and figures from results."""

from isocortex.analysis.plots import fi_curve, morphology, raster, rates, traces
from isocortex.analysis.rates import cell_rates, isi_cv, population_rate, spectrum

__all__ = [
    "cell_rates",
    "fi_curve",
    "isi_cv",
    "morphology",
    "population_rate",
    "raster",
    "rates",
    "spectrum",
    "traces",
]
