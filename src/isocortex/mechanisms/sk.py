"""SK: calcium-activated potassium current."""

from isocortex.mechanisms.density import Density, gate, parameter
from isocortex.mechanisms.maths import exp, log, where


class SK(Density):
    """Small-conductance calcium-activated potassium current; Kohler et al. 1996.

    doi:10.1126/science.273.5282.1709.
    """

    ion = "k"
    gbar = parameter(1e-6, "S/cm2")
    zTau = parameter(1.0, "ms")
    z = gate()

    def z_rates(cai, zTau):
        calcium = where(cai < 1e-7, cai + 1e-7, cai)
        return 1.0 / (1.0 + exp(4.8 * log(0.00043 / calcium))), zTau

    def conductance(z, gbar):
        return gbar * z
