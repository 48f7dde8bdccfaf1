"""exp, log, cos and sin from additions, multiplications and divisions alone.

The C library's and NumPy's take another way on every processor and in every version, and may differ
in the last bit; a connection is drawn or not by such a bit. IEEE 754 leaves no choice in what is
done here: the same bits everywhere. Each function takes floats and float64 arrays alike;
:mod:`isocortex.streams` has them compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: ln 2 in two parts; a whole number below 2^11 times the first is exact.
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LOG2_E = 1.44269504088896338700
TWO_PI = 6.28318530717958647693
#: Bits of the root of 1/2, below which a mantissa is doubled.
_ROOT_HALF = 0x3FE6A09E667F3BCD


def exp(x: Any) -> Any:
    """exp(x) within an ulp; 0 below -708, and never more than exp(709).

    2^n exp(r) with |r| <= ln 2 / 2 (Cody & Waite 1980), exp(r) by its Taylor series.
    """
    normal = x > -708.0
    x = np.minimum(np.maximum(x, -708.0), 709.0)
    n = np.rint(x * LOG2_E)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    # from r^2 on, in pairs (Estrin): shorter chains of results that wait for each other
    low = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0))
    mid = (1.0 / 720.0 + r * (1.0 / 5040.0)) + r2 * (1.0 / 40320.0 + r * (1.0 / 362880.0))
    high = (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) + r2 * (
        1.0 / 479001600.0 + r * (1.0 / 6227020800.0)
    )
    series = low + r4 * (mid + r4 * high)
    power = np.int64((np.int64(n) + 1023) << 52).view(np.float64)
    return (1.0 + (r + r2 * series)) * power * normal


def log(x: Any) -> Any:
    """Natural logarithm of positive, normal numbers, within an ulp.

    k ln 2 + log(1 + f) with 1 + f between the roots of 1/2 and 2, and
    log(1 + f) = 2 atanh(s), s = f / (2 + f), summed with f itself first, as FreeBSD's does.
    """
    bits = np.float64(x).view(np.int64)
    k = np.int64((bits - _ROOT_HALF) >> 52)
    f = np.int64(bits - (k << 52)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    low = (2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0))
    mid = (2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0))
    high = (2.0 / 19.0 + z * (2.0 / 21.0)) + z2 * (2.0 / 23.0)
    series = low + z4 * (mid + z4 * high)
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + z * series) + k * LN2_LOW)) - f)


def circle(turns: Any) -> tuple[Any, Any]:
    """cos and sin of so many turns (2 pi each), within 4e-16.

    A quarter turn changes places and signs alone; up to an eighth on both sides by Taylor series.
    """
    quarter = np.rint(4.0 * np.asarray(turns, np.float64))
    x = TWO_PI * (turns - 0.25 * quarter)
    z = x * x
    sine = cosine = 1.0
    for k in range(16, 0, -2):
        cosine = 1.0 - z * cosine / (k * (k - 1))
        sine = 1.0 - z * sine / (k * (k + 1))
    sine = x * sine
    swapped = quarter % 2 == 1
    across, up = np.where(swapped, sine, cosine), np.where(swapped, cosine, sine)
    place = quarter % 4
    return np.where((place == 1) | (place == 2), -across, across), np.where(place >= 2, -up, up)
