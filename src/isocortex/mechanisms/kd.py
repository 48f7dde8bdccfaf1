"""Kd: delay potassium current."""

from isocortex.mechanisms.density import Density, gate, parameter
from isocortex.mechanisms.maths import exp


class Kd(Density):
    """Slowly inactivating D-type potassium current; Foust et al. 2011.

    doi:10.1523/JNEUROSCI.4289-11.2011. The time constants are fixed at any temperature.
    """

    ion = "k"
    gbar = parameter(1e-5, "S/cm2")
    m, h = gate(), gate()

    def m_rates(v):
        return 1.0 - 1.0 / (1.0 + exp((v + 43.0) / 8.0)), 1.0

    def h_rates(v):
        return 1.0 / (1.0 + exp((v + 67.0) / 7.3)), 1500.0

    def conductance(m, h, gbar):
        return gbar * m * h
