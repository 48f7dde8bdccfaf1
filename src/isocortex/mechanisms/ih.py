"""Ih: hyperpolarisation-activated cation current."""

from isocortex.mechanisms.density import Density, gate, parameter
from isocortex.mechanisms.maths import exp, exprelr


class Ih(Density):
    """Cation current of layer 5 dendrites; Kole et al. 2006, doi:10.1523/JNEUROSCI.3664-05.2006.

    The published rates are used at any temperature. Not selective: its own reversal potential.
    """

    reversal = "ehcn"
    gbar = parameter(1e-5, "S/cm2")
    ehcn = parameter(-45.0, "mV")
    m = gate()

    def m_rates(v):
        alpha = 0.001 * 6.43 * 11.9 * exprelr((v + 154.9) / 11.9)
        beta = 0.001 * 193.0 * exp(v / 33.1)
        return alpha / (alpha + beta), 1.0 / (alpha + beta)

    def conductance(m, gbar):
        return gbar * m
