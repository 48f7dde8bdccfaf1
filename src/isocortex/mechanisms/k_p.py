"""K_P: persistent potassium."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exp, where


class K_P(Density):
    """Slowly inactivating potassium current of layer 5 pyramidal cells.

    Korngreen & Sakmann 2000, doi:10.1111/j.1469-7793.2000.00621.x; rates at 21 degC, q10 2.3.
    """

    ion = "k"
    temperature = Temperature(2.3, 21.0)
    gbar = parameter(1e-5, "S/cm2")
    vshift = parameter(0.0, "mV")
    tauF = parameter(1.0, "1")
    m, h = gate(), gate()

    def m_rates(v, vshift, tauF, q10):
        x = v - vshift
        inf = 1.0 / (1.0 + exp(-(x + 14.3) / 14.6))
        rising = 1.25 + 175.03 * exp(0.026 * x)
        falling = 1.25 + 13.0 * exp(-0.026 * x)
        return inf, tauF * where(x < -50.0, rising, falling) / q10

    def h_rates(v, vshift, q10):
        x = v - vshift
        inf = 1.0 / (1.0 + exp((x + 54.0) / 11.0))
        y = (x + 75.0) / 48.0
        return inf, (360.0 + (1010.0 + 24.0 * (x + 55.0)) * exp(-y * y)) / q10

    def conductance(m, h, gbar):
        return gbar * m * m * h
