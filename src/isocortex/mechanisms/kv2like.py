"""Kv2like: slow delayed rectifier."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exp, exprelr


class Kv2like(Density):
    """Kv2-like potassium current with two inactivation time constants.

    Keren et al. 2005, doi:10.1152/jn.00408.2005, adjusted to the guangxitoxin-sensitive current
    of Liu & Bean 2014, doi:10.1523/JNEUROSCI.1925-14.2014; rates at 21 degC, q10 2.3.
    """

    ion = "k"
    temperature = Temperature(2.3, 21.0)
    gbar = parameter(1e-5, "S/cm2")
    m, h1, h2 = gate(), gate(), gate()

    def m_rates(v, q10):
        alpha = 0.12 * 11.0 * exprelr(-(v - 43.0) / 11.0)
        beta = 0.02 * exp(-(v + 1.27) / 120.0)
        return alpha / (alpha + beta), 2.5 / (q10 * (alpha + beta))

    def h1_rates(v, q10):
        inf = 1.0 / (1.0 + exp((v + 58.0) / 11.0))
        x = (v + 75.0) / 48.0
        return inf, (360.0 + (1010.0 + 23.7 * (v + 54.0)) * exp(-x * x)) / q10

    def h2_rates(v, q10):
        inf = 1.0 / (1.0 + exp((v + 58.0) / 11.0))
        return inf, (2350.0 + 1380.0 * exp(-0.011 * v) - 210.0 * exp(-0.03 * v)) / q10

    def conductance(m, h1, h2, gbar):
        return gbar * m * m * (0.5 * h1 + 0.5 * h2)
