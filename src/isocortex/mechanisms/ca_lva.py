"""Ca_LVA: low-voltage-activated calcium current."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exp


class Ca_LVA(Density):
    """Low-voltage-activated calcium current; Avery & Johnston 1996, time constants Randall 1997.

    doi:10.1523/JNEUROSCI.16-18-05567.1996, doi:10.1016/S0028-3908(97)00061-2; rates at 21 degC,
    q10 2.3, shifted by -10 mV for the junction potential.
    """

    ion = "ca"
    temperature = Temperature(2.3, 21.0)
    gbar = parameter(1e-5, "S/cm2")
    m, h = gate(), gate()

    def m_rates(v, q10):
        inf = 1.0 / (1.0 + exp(-(v + 40.0) / 6.0))
        return inf, (5.0 + 20.0 / (1.0 + exp((v + 35.0) / 5.0))) / q10

    def h_rates(v, q10):
        inf = 1.0 / (1.0 + exp((v + 90.0) / 6.4))
        return inf, (20.0 + 50.0 / (1.0 + exp((v + 50.0) / 7.0))) / q10

    def conductance(m, h, gbar):
        return gbar * m * m * h
