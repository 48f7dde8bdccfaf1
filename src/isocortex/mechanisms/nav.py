"""NaV: sodium channel of fast-spiking cells, a twelve-state scheme."""

import numpy as np

from isocortex import elementary
from isocortex.mechanisms.density import Density, Temperature, kinetic_state, parameter
from isocortex.mechanisms.linear import solve
from isocortex.mechanisms.maths import exp

# Transition rates at 37 degC, 1/ms: closed -> inactivated and back, open -> I6 and back,
# activation (alpha) and deactivation (beta) at 0 mV, opening and closing.
C_ON, C_OFF = 0.01, 40.0
O_ON, O_OFF = 8.0, 0.05
ALPHA, BETA = 400.0, 12.0
OPENING, CLOSING = 250.0, 60.0
# Inactivation speeds activation by ON_FACTOR and slows deactivation by OFF_FACTOR.
ON_FACTOR, OFF_FACTOR = 2.51, 5.32
SLOPE = 24.0  # mV


class NaV(Density):
    """Sodium current of hippocampal CA1 neurons; Carter et al. 2012.

    doi:10.1016/j.neuron.2012.08.033; 37 degC, q10 2.3. Two rows of states,
    C1 .. C5, O (not inactivated) over I1 .. I6 (inactivated), joined by six rungs. The channels'
    fractions sum to 1.
    """

    ion = "na"
    implicit_euler = True
    temperature = Temperature(2.3, 37.0)
    gbar = parameter(0.015, "S/cm2")
    C1, C2, C3 = kinetic_state(), kinetic_state(), kinetic_state()
    C4, C5, O = kinetic_state(), kinetic_state(), kinetic_state()  # noqa: E741
    I1, I2, I3 = kinetic_state(), kinetic_state(), kinetic_state()
    I4, I5, I6 = kinetic_state(), kinetic_state(), kinetic_state()

    def conductance(O, gbar):  # noqa: E741
        return gbar * O

    def steady_state(v, q10):
        """Initial fractions, as the published model's INITIAL block solves for them.

        That block has a slip: the balance of I3 uses the rate I3 -> C3 where I4 -> I3 is meant.
        It is kept, since every published result starts from it.
        """
        v = np.atleast_1d(np.asarray(v, float))
        a, b = ALPHA * elementary.exp(v / SLOPE), BETA * elementary.exp(-v / SLOPE)
        n = len(v)
        forward, backward = np.empty((2, 5, n)), np.empty((2, 5, n))
        for k in range(4):
            forward[:, k] = (4 - k) * a * np.array([[1.0], [ON_FACTOR]])
            backward[:, k] = (k + 1) * b * np.array([[1.0], [1.0 / OFF_FACTOR]])
        forward[:, 4], backward[:, 4] = OPENING, CLOSING
        down = [C_ON * ON_FACTOR**k for k in range(5)] + [O_ON]
        up = [C_OFF / OFF_FACTOR**k for k in range(5)] + [O_OFF]
        generator = np.zeros((n, 12, 12))

        def flow(source, target, rate):
            generator[:, target, source] += rate
            generator[:, source, source] -= rate

        for row in range(2):
            for k in range(5):
                flow(6 * row + k, 6 * row + k + 1, forward[row, k])
                flow(6 * row + k + 1, 6 * row + k, backward[row, k])
        for k in range(6):
            flow(k, 6 + k, down[k])
            flow(6 + k, k, up[k])
        generator[:, 8, 9] = up[2]
        generator[:, 11, :] = 1.0  # the balance of I6 follows from the others: conserve instead
        right = np.zeros((n, 12, 1))
        right[:, 11] = 1.0
        return tuple(solve(np.concatenate([generator, right], axis=2)).T)

    def advance(C1, C2, C3, C4, C5, O, I1, I2, I3, I4, I5, I6, v, q10, dt):  # noqa: E741
        """One implicit Euler step.

        Rung k couples only to rungs k - 1 and k + 1, so (1 - dt Q) x' = x is block tridiagonal
        with 2 x 2 blocks: eliminate from rung 1 to 6, then substitute back. Total probability
        is conserved because the columns of Q sum to zero; what rounding adds is taken off.
        """
        r = q10 * dt
        a, b = r * ALPHA * exp(v / SLOPE), r * BETA * exp(-v / SLOPE)
        ai, bi = a * ON_FACTOR, b * (1.0 / OFF_FACTOR)
        opening, closing = r * OPENING, r * CLOSING
        down1, up1 = r * C_ON, r * C_OFF
        down2, up2 = down1 * ON_FACTOR, up1 * (1.0 / OFF_FACTOR)
        down3, up3 = down2 * ON_FACTOR, up2 * (1.0 / OFF_FACTOR)
        down4, up4 = down3 * ON_FACTOR, up3 * (1.0 / OFF_FACTOR)
        down5, up5 = down4 * ON_FACTOR, up4 * (1.0 / OFF_FACTOR)
        down6, up6 = r * O_ON, r * O_OFF

        # Each rung: [[p, -up], [-down, q]] (C, I) = right-hand side + flows from its neighbours.
        # Eliminating rung k adds  -(back) inv(block) (forward)  to rung k + 1.
        p, q = 1.0 + 4.0 * a + down1, 1.0 + 4.0 * ai + up1
        w1 = 1.0 / (p * q - up1 * down1)
        cc1, ci1, ic1, ii1 = q * w1, up1 * w1, down1 * w1, p * w1
        yc1, yi1 = cc1 * C1 + ci1 * I1, ic1 * C1 + ii1 * I1

        f, fi, g, gi = 4.0 * a, 4.0 * ai, b, bi
        p = 1.0 + g + 3.0 * a + down2 - f * cc1 * g
        q = 1.0 + gi + 3.0 * ai + up2 - fi * ii1 * gi
        m, n = up2 + f * ci1 * gi, down2 + fi * ic1 * g
        w2 = 1.0 / (p * q - m * n)
        cc2, ci2, ic2, ii2 = q * w2, m * w2, n * w2, p * w2
        rc, ri = C2 + f * yc1, I2 + fi * yi1
        yc2, yi2 = cc2 * rc + ci2 * ri, ic2 * rc + ii2 * ri

        f, fi, g, gi = 3.0 * a, 3.0 * ai, 2.0 * b, 2.0 * bi
        p = 1.0 + g + 2.0 * a + down3 - f * cc2 * g
        q = 1.0 + gi + 2.0 * ai + up3 - fi * ii2 * gi
        m, n = up3 + f * ci2 * gi, down3 + fi * ic2 * g
        w3 = 1.0 / (p * q - m * n)
        cc3, ci3, ic3, ii3 = q * w3, m * w3, n * w3, p * w3
        rc, ri = C3 + f * yc2, I3 + fi * yi2
        yc3, yi3 = cc3 * rc + ci3 * ri, ic3 * rc + ii3 * ri

        f, fi, g, gi = 2.0 * a, 2.0 * ai, 3.0 * b, 3.0 * bi
        p = 1.0 + g + a + down4 - f * cc3 * g
        q = 1.0 + gi + ai + up4 - fi * ii3 * gi
        m, n = up4 + f * ci3 * gi, down4 + fi * ic3 * g
        w4 = 1.0 / (p * q - m * n)
        cc4, ci4, ic4, ii4 = q * w4, m * w4, n * w4, p * w4
        rc, ri = C4 + f * yc3, I4 + fi * yi3
        yc4, yi4 = cc4 * rc + ci4 * ri, ic4 * rc + ii4 * ri

        f, fi, g, gi = a, ai, 4.0 * b, 4.0 * bi
        p = 1.0 + g + opening + down5 - f * cc4 * g
        q = 1.0 + gi + opening + up5 - fi * ii4 * gi
        m, n = up5 + f * ci4 * gi, down5 + fi * ic4 * g
        w5 = 1.0 / (p * q - m * n)
        cc5, ci5, ic5, ii5 = q * w5, m * w5, n * w5, p * w5
        rc, ri = C5 + f * yc4, I5 + fi * yi4
        yc5, yi5 = cc5 * rc + ci5 * ri, ic5 * rc + ii5 * ri

        p = 1.0 + closing + down6 - opening * cc5 * closing
        q = 1.0 + closing + up6 - opening * ii5 * closing
        m, n = up6 + opening * ci5 * closing, down6 + opening * ic5 * closing
        w6 = 1.0 / (p * q - m * n)
        rc, ri = O + opening * yc5, I6 + opening * yi5
        O, I6 = (q * rc + m * ri) * w6, (n * rc + p * ri) * w6  # noqa: E741

        uc, ui = closing * O, closing * I6
        C5, I5 = yc5 + cc5 * uc + ci5 * ui, yi5 + ic5 * uc + ii5 * ui
        uc, ui = 4.0 * b * C5, 4.0 * bi * I5
        C4, I4 = yc4 + cc4 * uc + ci4 * ui, yi4 + ic4 * uc + ii4 * ui
        uc, ui = 3.0 * b * C4, 3.0 * bi * I4
        C3, I3 = yc3 + cc3 * uc + ci3 * ui, yi3 + ic3 * uc + ii3 * ui
        uc, ui = 2.0 * b * C3, 2.0 * bi * I3
        C2, I2 = yc2 + cc2 * uc + ci2 * ui, yi2 + ic2 * uc + ii2 * ui
        uc, ui = b * C2, bi * I2
        C1, I1 = yc1 + cc1 * uc + ci1 * ui, yi1 + ic1 * uc + ii1 * ui

        # in single precision the sum would drift by a per cent in ten seconds
        k = 1.0 / ((C1 + C2 + C3) + (C4 + C5 + O) + (I1 + I2 + I3) + (I4 + I5 + I6))
        return (
            k * C1, k * C2, k * C3, k * C4, k * C5, k * O,
            k * I1, k * I2, k * I3, k * I4, k * I5, k * I6,
        )  # fmt: skip
