"""NaTa: transient sodium of the axon."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exprelr


class NaTa(Density):
    """Transient sodium current of the axon initial segment, activating at lower voltage.

    Colbert & Pan 2002, doi:10.1038/nn0602-857; rates at 23 degC, q10 2.3.
    """

    ion = "na"
    temperature = Temperature(2.3, 23.0)
    gbar = parameter(1e-5, "S/cm2")
    m, h = gate(), gate()

    def m_rates(v, q10):
        alpha = 0.182 * 6.0 * exprelr(-(v + 48.0) / 6.0)
        beta = 0.124 * 6.0 * exprelr((v + 48.0) / 6.0)
        return alpha / (alpha + beta), 1.0 / ((alpha + beta) * q10)

    def h_rates(v, q10):
        alpha = 0.015 * 6.0 * exprelr((v + 69.0) / 6.0)
        beta = 0.015 * 6.0 * exprelr(-(v + 69.0) / 6.0)
        return alpha / (alpha + beta), 1.0 / ((alpha + beta) * q10)

    def conductance(m, h, gbar):
        return gbar * m * m * m * h
