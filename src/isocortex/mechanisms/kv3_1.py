"""Kv3_1: fast delayed rectifier."""

from isocortex.mechanisms.density import Density, gate, parameter
from isocortex.mechanisms.maths import exp


class Kv3_1(Density):
    """Shaw-type (Kv3.1) potassium current; Rettig et al. 1992.

    doi:10.1002/j.1460-2075.1992.tb05312.x. The published rates are used at any temperature.
    """

    ion = "k"
    gbar = parameter(1e-5, "S/cm2")
    vshift = parameter(0.0, "mV")
    m = gate()

    def m_rates(v, vshift):
        inf = 1.0 / (1.0 + exp(-(v - (18.7 + vshift)) / 9.7))
        return inf, 4.0 / (1.0 + exp(-(v - (-46.56 + vshift)) / 44.14))

    def conductance(m, gbar):
        return gbar * m
