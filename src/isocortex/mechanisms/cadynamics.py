"""CaDynamics: calcium concentration in a shell under the membrane."""

from isocortex.mechanisms.density import Density, kinetic_state, parameter
from isocortex.mechanisms.maths import exp

FARADAY = 96485.33212331001  # C/mol


class CaDynamics(Density):
    """Influx into a shell of given depth, buffering and exponential removal.

    Destexhe et al. 1994, doi:10.1152/jn.1994.72.2.803. Of the calcium that enters, the fraction
    ``gamma`` stays free. The factor 1e4 turns mA/cm2 / (C/mol um) into mM/ms.
    """

    gamma = parameter(0.05, "1")
    decay = parameter(80.0, "ms")
    depth = parameter(0.1, "um")
    minCai = parameter(1e-4, "mM")
    cai = kinetic_state()

    def steady_state(minCai):
        return (minCai,)

    def advance(cai, ica, gamma, decay, depth, minCai, dt):
        influx = -1e4 * ica * gamma / (2.0 * FARADAY * depth)  # mM/ms
        target = minCai + influx * decay
        return (target + (cai - target) * exp(-dt / decay),)
