"""Nap: persistent sodium."""

from isocortex.mechanisms.density import Density, Temperature, gate, parameter
from isocortex.mechanisms.maths import exp, exprelr

_X = 0.001 / 4.6
#: 1/mV, fall of `closed` from v to v + 0.001: (1 - exp(-x)) / 0.001 by its series.
FALL = _X * (1.0 - _X / 2.0 * (1.0 - _X / 3.0 * (1.0 - _X / 4.0))) / 0.001


class Nap(Density):
    """Persistent sodium current with instantaneous activation.

    Magistretti & Alonso 1999, doi:10.1085/jgp.114.4.491; rates at 21 degC, q10 2.3. Since the
    activation follows the voltage at once, the current is not linear in it: the implicit step
    also needs the slope of the conductance.
    """

    ion = "na"
    temperature = Temperature(2.3, 21.0)
    gbar = parameter(1e-5, "S/cm2")
    h = gate()

    def h_rates(v, q10):
        inf = 1.0 / (1.0 + exp((v + 48.8) / 10.0))
        alpha = 2.88e-6 * 4.63 * exprelr((v + 17.0) / 4.63)
        beta = 6.94e-6 * 2.63 * exprelr(-(v + 64.4) / 2.63)
        return inf, 1.0 / ((alpha + beta) * q10)

    def conductance(v, h, gbar):
        return gbar * h / (1.0 + exp(-(v + 52.6) / 4.6))

    def conductance_slope(v, h, gbar):  # S/cm2/mV
        # NEURON's difference quotient (g(v + 0.001) - g(v)) / 0.001, without its cancellation
        closed = exp(-(v + 52.6) / 4.6)
        return gbar * h * closed * FALL / ((1.0 + closed) * (1.0 + closed * (1.0 - 0.001 * FALL)))
