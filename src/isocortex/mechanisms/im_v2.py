"""Im_v2: M current, second version."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exp


class Im_v2(Density):
    """Muscarinic potassium current; Vervaeke et al. 2006, doi:10.1113/jphysiol.2006.111336.

    Rates at 30 degC, q10 2.3.
    """

    ion = "k"
    temperature = Temperature(2.3, 30.0)
    gbar = parameter(1e-5, "S/cm2")
    m = gate()

    def m_rates(v, q10):
        alpha = 0.007 * exp(6.0 * 0.4 * (v + 48.0) / 26.12)
        beta = 0.007 * exp(-6.0 * 0.6 * (v + 48.0) / 26.12)
        return alpha / (alpha + beta), (15.0 + 1.0 / (alpha + beta)) / q10

    def conductance(m, gbar):
        return gbar * m
