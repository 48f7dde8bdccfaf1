"""Im: M current."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exp


class Im(Density):
    """Muscarinic potassium current; Adams et al. 1982, doi:10.1113/jphysiol.1982.sp014357.

    Rates at 21 degC, q10 2.3.
    """

    ion = "k"
    temperature = Temperature(2.3, 21.0)
    gbar = parameter(1e-5, "S/cm2")
    m = gate()

    def m_rates(v, q10):
        alpha = 3.3e-3 * exp(0.1 * (v + 35.0))
        beta = 3.3e-3 * exp(-0.1 * (v + 35.0))
        return alpha / (alpha + beta), 1.0 / ((alpha + beta) * q10)

    def conductance(m, gbar):
        return gbar * m
