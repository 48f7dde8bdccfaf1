"""Ca_HVA: high-voltage-activated calcium current."""

from isocortex.mechanisms.density import Density, gate, parameter
from isocortex.mechanisms.maths import exp, exprelr


class Ca_HVA(Density):
    """High-voltage-activated calcium current; Reuveni et al. 1993.

    doi:10.1523/JNEUROSCI.13-11-04609.1993. The published rates are used at any temperature.
    """

    ion = "ca"
    gbar = parameter(1e-5, "S/cm2")
    m, h = gate(), gate()

    def m_rates(v):
        alpha = 0.055 * 3.8 * exprelr((-27.0 - v) / 3.8)
        beta = 0.94 * exp((-75.0 - v) / 17.0)
        return alpha / (alpha + beta), 1.0 / (alpha + beta)

    def h_rates(v):
        alpha = 0.000457 * exp((-13.0 - v) / 50.0)
        beta = 0.0065 / (exp((-v - 15.0) / 28.0) + 1.0)
        return alpha / (alpha + beta), 1.0 / (alpha + beta)

    def conductance(m, h, gbar):
        return gbar * m * m * h
