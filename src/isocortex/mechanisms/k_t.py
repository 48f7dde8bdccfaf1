"""K_T: transient potassium."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exp


class K_T(Density):
    """Fast inactivating (A-type) potassium current of layer 5 pyramidal cells.

    Korngreen & Sakmann 2000, doi:10.1111/j.1469-7793.2000.00621.x; rates at 21 degC, q10 2.3.
    """

    ion = "k"
    temperature = Temperature(2.3, 21.0)
    gbar = parameter(1e-5, "S/cm2")
    vshift = parameter(0.0, "mV")
    mTauF = parameter(1.0, "1")
    hTauF = parameter(1.0, "1")
    m, h = gate(), gate()

    def m_rates(v, vshift, mTauF, q10):
        x = v - vshift
        y = (x + 71.0) / 59.0
        inf = 1.0 / (1.0 + exp(-(x + 47.0) / 29.0))
        return inf, (0.34 + mTauF * 0.92 * exp(-y * y)) / q10

    def h_rates(v, vshift, hTauF, q10):
        x = v - vshift
        y = (x + 73.0) / 23.0
        inf = 1.0 / (1.0 + exp((x + 66.0) / 10.0))
        return inf, (8.0 + hTauF * 49.0 * exp(-y * y)) / q10

    def conductance(m, h, gbar):
        return gbar * m * m * m * m * h
