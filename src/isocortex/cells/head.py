"""A head of four spheres: what current dipoles in the brain make at electrodes farther out.

Brain, fluid, skull and scalp each conduct evenly, and nothing flows into the air. Of every degree n
of Legendre's polynomials the potential in a shell is a sum of r^n and r^-(n+1), and at each border
potential and radial current go on (Næss et al. 2017, doi:10.3389/fnhum.2017.00490).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray
from isocortex.errors import ConfigError

#: S/m, of brain, fluid, skull and scalp, as in Næss et al. 2017.
CONDUCTIVITIES = (0.3, 1.5, 0.015, 0.3)
#: Terms are left out that are smaller than this share of the first.
SMALLEST = 1e-12
#: How much farther out than all dipoles electrodes are at the least: the terms of one that is
#: nearer fall too slowly, and a cell there is no dipole.
FARTHER = 1.002
#: How much farther out than the scalp they may be: tables have few digits.
ROUNDED = 1.00001
#: Pairs of dipole and electrode that are computed at once.
AT_ONCE = 200_000


@dataclass(frozen=True)
class Head:
    """Four spheres about one centre.

    Attributes
    ----------
    centre : float64[3], um, in the coordinates of the nodes.
    radii : um, outer ones of brain, fluid, skull and scalp.
    conductivities : S/m, of the same.
    """

    centre: FloatArray
    radii: tuple[float, ...]
    conductivities: tuple[float, ...] = CONDUCTIVITIES

    def __post_init__(self) -> None:
        for name, what in (("radii", "um, ascending"), ("conductivities", "S/m, above 0")):
            values = getattr(self, name)
            right = len(values) == 4 and all(math.isfinite(x) and x > 0 for x in values)
            if name == "radii":
                right = right and all(np.diff(values) > 0)
            if not right:
                raise ConfigError(
                    f"must be four numbers ({what}), found {list(values)}", field=name,
                    fix="Give brain, fluid, skull and scalp.",
                )  # fmt: skip
        if np.shape(self.centre) != (3,) or not np.isfinite(self.centre).all():
            raise ConfigError(f"must be [x, y, z], um, found {list(self.centre)}", field="centre",
                              fix="Mend it.")  # fmt: skip

    def lead_field(
        self,
        places: FloatArray,
        electrodes: FloatArray,
        depth: float = 0.0,
        some: NDArray[np.integer] | slice = slice(None),
    ) -> FloatArray:
        """float64[electrodes, n, 3]: potential (mV) per nA um of dipoles along x, y and z.

        That of a dipole among others is the same to the last bit, whichever are computed with it.

        Parameters
        ----------
        places : float64[n, 3], um, of dipoles.
        electrodes : float64[electrodes, 3], um, farther from the centre than all dipoles.
        depth : um; dipoles that are less deep in the brain, or outside, count as being so deep.
        some : of the places, those to be computed.

        Raises
        ------
        ConfigError : see :meth:`require`.
        """
        self.require(places, electrodes, depth)
        out, inside = electrodes - self.centre, places[some] - self.centre
        radius, eccentricity = np.linalg.norm(out, axis=1), self._eccentricity(places, depth)
        n_terms = self._terms(float(eccentricity.max(initial=0.0)), float(radius.min()))
        eccentricity, gain = eccentricity[some], self._gains(radius, n_terms)
        toward = inside / np.maximum(np.linalg.norm(inside, axis=1), 1e-9)[:, None]
        found = np.empty((len(out), len(inside), 3))
        step = max(AT_ONCE // max(len(out), 1), 1)
        for begin in range(0, len(inside), step):
            part = slice(begin, begin + step)
            found[:, part] = self._field(
                eccentricity[part], toward[part], out / radius[:, None], gain
            )
        return found

    def _eccentricity(self, places: FloatArray, depth: float) -> FloatArray:
        """float64[n], um from the centre, at the most that of the depth."""
        away = np.linalg.norm(places - self.centre, axis=1)
        return np.minimum(away, self.radii[0] - depth) if depth > 0.0 else away

    def require(self, places: FloatArray, electrodes: FloatArray, depth: float = 0.0) -> None:
        """Refuse what :meth:`lead_field` cannot compute.

        Raises
        ------
        ConfigError : an electrode is outside the head or not farther out than all dipoles, or a
            dipole is outside the brain, or the depth more than its radius.
        """
        if depth >= self.radii[0]:
            raise ConfigError(
                f"{depth:g} um are not less than the brain's radius, {self.radii[0]:g} um",
                field="minimum_distance", fix="Make it smaller.",
            )  # fmt: skip
        outermost = float(self._eccentricity(places, depth).max(initial=0.0))
        radius = np.linalg.norm(electrodes - self.centre, axis=1)
        if outermost >= self.radii[0]:
            raise ConfigError(
                f"a cell lies {outermost:g} um from the centre, outside the brain",
                field="head.radii", fix="Make it larger, or set minimum_distance: cells count as "
                "at least so deep.",
            )  # fmt: skip
        bad = np.flatnonzero(
            (radius < outermost * FARTHER) | (radius > self.radii[3] * ROUNDED) | (radius == 0.0)
        )
        if len(bad):
            raise ConfigError(
                f"electrode {bad[0]} lies {radius[bad[0]]:g} um from the head's centre: not "
                f"between the outermost cell ({outermost:g} um, and {FARTHER - 1:.1%} more) and "
                f"the scalp ({self.radii[3]:g} um)", field="electrode_positions",
                fix="Move it, set minimum_distance, or change the head.",
            )  # fmt: skip

    def _field(
        self,
        eccentricity: FloatArray,
        toward: FloatArray,
        outward: FloatArray,
        gain: tuple[FloatArray, FloatArray],
    ) -> FloatArray:
        """The sum over degrees; the gradient at the dipole of r0^n P_n(cos) makes it a dipole's."""
        # no product of matrices, whose last bits depend on their sizes
        x, y, z = (outward[:, axis, None] * toward[:, axis] for axis in range(3))
        cosine = np.clip(x + y + z, -1.0, 1.0)
        # of the dipole's direction: along the radius, and across it towards the electrode
        across = outward[:, None, :] - cosine[..., None] * toward
        ratio = eccentricity / self.radii[0]
        radial, tangential = np.zeros_like(cosine), np.zeros_like(cosine)
        before, now = np.ones_like(cosine), cosine  # P_0, P_1
        slope_before, slope = np.zeros_like(cosine), np.ones_like(cosine)
        with np.errstate(divide="ignore"):
            log_ratio = np.log(ratio)
        for n in range(1, gain[0].shape[1] + 1):
            # large and small powers meet in the exponent, where neither leaves the range of numbers
            power = (n - 1) * log_ratio if n > 1 else np.zeros_like(ratio)
            weight = gain[0][:, n - 1, None] * np.exp(gain[1][:, n - 1, None] + power)
            radial += weight * n * now
            tangential += weight * slope
            before, now = now, ((2 * n + 1) * cosine * now - n * before) / (n + 1)
            slope_before, slope = slope, slope_before + (2 * n + 1) * before
        field = radial[..., None] * toward + tangential[..., None] * across
        return field / (4.0 * np.pi * self.conductivities[0] * self.radii[0] ** 2)

    @staticmethod
    def _terms(deepest: float, nearest: float) -> int:
        """How many degrees it takes; they fall like n^2 (r0 / r)^n."""
        if deepest <= 0.0:
            return 1
        fall = math.log(nearest / deepest)
        n = -math.log(SMALLEST) / fall
        return int(math.ceil(n + 2.0 * math.log(max(n, 1.0)) / fall)) + 1

    def _gains(self, radius: FloatArray, n_terms: int) -> tuple[FloatArray, FloatArray]:
        """float64[electrodes, terms] twice: of every degree the potential over that of the source.

        The source is the part of r^-(n+1) in the brain, at the brain's surface. The second are
        logarithms of a factor.
        """
        n = np.arange(1, n_terms + 1, dtype=np.float64)
        growing, falling, log = n + 1.0, n.copy(), np.zeros(n_terms)  # nothing flows out of r4
        shells = [(growing, falling, log)]
        for k in (3, 2, 1):
            shrink = self.radii[k - 1] / self.radii[k]
            grown = growing * shrink ** (2 * n + 1)
            potential = grown + falling
            current = self.conductivities[k] * (n * grown - (n + 1) * falling)
            current = current / self.conductivities[k - 1]
            log = log - (n + 1) * math.log(shrink)
            growing = ((n + 1) * potential + current) / (2 * n + 1)
            falling = (n * potential - current) / (2 * n + 1)
            shells.insert(0, (growing, falling, log))
        shell = np.minimum(np.searchsorted(self.radii, radius), 3)
        gain, exponent = np.empty((len(radius), n_terms)), np.empty((len(radius), n_terms))
        for e, (k, r) in enumerate(zip(shell, radius, strict=True)):
            up, down, scale = shells[k]
            part = r / self.radii[k]
            gain[e] = (up * part ** (2 * n + 1) + down) / falling
            exponent[e] = scale - log - (n + 1) * math.log(part)
        return gain, exponent
