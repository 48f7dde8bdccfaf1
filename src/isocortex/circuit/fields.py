"""Potentials that are imposed outside cells: how large they are where, and their course in time.

A field is a sum of terms, each a potential that depends on the place alone times a course in time
of its own. Courses are asked for by the number of steps: as in BMTK, the potential is set between
steps and holds for a whole one, and the first step has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.elementary import circle
from isocortex.errors import ConfigError, InputError

#: Value at times, ms.
Waveform = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Step:
    """A value that holds between ``delay`` and its end, ms, but at neither of them; 0 outside."""

    amp: float
    delay: float
    duration: float

    def __call__(self, t: FloatArray) -> FloatArray:
        return np.where(_between(t, self.delay, self.duration), self.amp, 0.0)


@dataclass(frozen=True)
class Sinusoid:
    """A sine (Hz, radians) of the time of the run, and an offset, for some time; 0 outside."""

    amp: float
    frequency: float
    phase: float
    offset: float
    delay: float
    duration: float

    def __call__(self, t: FloatArray) -> FloatArray:
        sine = circle(1e-3 * self.frequency * t + self.phase / (2.0 * np.pi))[1]
        inside = _between(t, self.delay, self.duration)
        return np.where(inside, self.amp * sine + self.offset, 0.0)


@dataclass(frozen=True)
class Samples:
    """Straight lines between samples, ms; the first before them and the last after them."""

    times: FloatArray
    values: FloatArray

    def __call__(self, t: FloatArray) -> FloatArray:
        return np.interp(t, self.times, self.values)


def _between(t: FloatArray, delay: float, duration: float) -> NDArray[np.bool_]:
    return (delay < t) & (t < delay + duration)


@dataclass(frozen=True)
class Electrodes:
    """Points that inject the same course of current into a medium without end.

    Attributes
    ----------
    position : float64[points, 3], um.
    strength : float64[points], mV um per unit of the waveform.
    waveform : of the time at which a step begins.
    closest : um; nearer to a point no compartment may be.
    """

    position: FloatArray
    strength: FloatArray
    waveform: Waveform
    closest: float

    @property
    def n_terms(self) -> int:
        return 1

    def at(self, place: FloatArray) -> FloatArray:
        """float64[n, terms], mV per unit of each course, at places, float64[n, 3], um."""
        total: FloatArray = np.zeros(len(place))
        for position, strength in zip(self.position, self.strength, strict=True):
            away = np.linalg.norm(position - place, axis=1)
            if (away < self.closest).any():
                raise ConfigError(
                    f"an electrode is {away.min():.3g} um from the middle of a compartment, and "
                    f"may be no closer than {self.closest:g}", field="positions_file",
                    fix="Move the electrode, or the cell.",
                )  # fmt: skip
            total = total + strength / away
        return total[:, None]

    def courses(self, step: IntArray, dt: float) -> FloatArray:
        """float64[terms, n] in steps of ``dt`` ms, counted from 0."""
        return np.where(step > 0, self.waveform(dt * step.astype(np.float64)), 0.0)[None, :]


@dataclass(frozen=True)
class Map:
    """A potential that is known at some places.

    Attributes
    ----------
    place : float64[n, 3], um.
    potential : float64[n, columns], mV.
    """

    place: FloatArray
    potential: FloatArray

    def nearest(self, place: FloatArray) -> IntArray:
        """int64[n], the place of the map that is next to each of some places."""
        return self._tree.query(place)[1]

    def between(self, place: FloatArray) -> FloatArray:
        """float64[n, columns], linear in the tetrahedra between places; NaN outside of all."""
        return self._interpolator(place)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree  # which takes longer to load than a small circuit

        return cKDTree(self.place)

    @cached_property
    def _interpolator(self) -> Any:
        from scipy.interpolate import LinearNDInterpolator
        from scipy.spatial import QhullError

        try:
            return LinearNDInterpolator(self.place, self.potential)
        except QhullError as error:
            raise InputError(
                "the places of a map span no space in which one could interpolate",
                field="comsol_files", fix="Export more places, or set ip_method to NN.",
            ) from error  # fmt: skip


@dataclass(frozen=True)
class StationaryMaps:
    """Potentials of maps, each times a course of its own that is repeated.

    Where a place is outside one of the maps the potential is 0 there.

    Attributes
    ----------
    maps, waveforms : equally many; maps have one column.
    scale : of each.
    linear : between places of a map; else it is that of the nearest.
    """

    maps: tuple[Map, ...]
    waveforms: tuple[Samples, ...]
    scale: tuple[float, ...]
    linear: bool

    @property
    def n_terms(self) -> int:
        return len(self.maps)

    def at(self, place: FloatArray) -> FloatArray:
        """float64[n, terms], mV per unit of each course, at places, float64[n, 3], um."""
        columns = [
            scale * (one.between(place) if self.linear else one.potential[one.nearest(place)])
            for one, scale in zip(self.maps, self.scale, strict=True)
        ]
        found = np.concatenate(columns, axis=1)
        found[np.isnan(found).any(axis=1)] = 0.0
        return found

    def courses(self, step: IntArray, dt: float) -> FloatArray:
        """float64[terms, n] in steps of ``dt`` ms, counted from 0."""
        since = np.maximum(step - 1, 0)
        found = []
        for waveform in self.waveforms:
            period = (waveform.times[-1] - waveform.times[0]) / dt + 1.0
            found.append(np.where(step > 0, waveform((since % period) * dt), 0.0))
        return np.stack(found)


@dataclass(frozen=True)
class ChangingMap:
    """The potential at the nearest place of a map, on straight lines from time to time; repeated.

    Attributes
    ----------
    map : with a column for every time.
    times : ms, ascending.
    scale : of all.
    """

    map: Map
    times: FloatArray
    scale: float

    @property
    def n_terms(self) -> int:
        return len(self.times)

    def at(self, place: FloatArray) -> FloatArray:
        """float64[n, terms], mV per unit of each course, at places, float64[n, 3], um."""
        return self.scale * self.map.potential[self.map.nearest(place)]

    def courses(self, step: IntArray, dt: float) -> FloatArray:
        """float64[terms, n] in steps of ``dt`` ms, counted from 0: two are not 0 at a time."""
        # to the last bit as BMTK counts them
        times = np.arange(self.times[0], self.times[-1] + dt, dt)
        period = max(int((times[-1] - times[0]) / dt), 1)
        t = times[np.maximum(step - 1, 0) % period]
        before = np.searchsorted(self.times, t, side="right") - 1
        before = np.clip(before, 0, len(self.times) - 2)
        part = (t - self.times[before]) / (self.times[before + 1] - self.times[before])
        part = np.minimum(part, 1.0)
        there, column = step > 0, np.arange(len(step))
        found = np.zeros((self.n_terms, len(step)))
        found[before, column] = np.where(there, 1.0 - part, 0.0)
        found[before + 1, column] = np.where(there, part, 0.0)
        return found


Potentials = Electrodes | StationaryMaps | ChangingMap


@dataclass(frozen=True, slots=True)
class FieldInput:
    """A potential outside chosen cells.

    Attributes
    ----------
    cells : (population, rows) of biophysical cells.
    name : of the input, for messages.
    """

    cells: tuple[tuple[str, IntArray], ...]
    potentials: Potentials
    name: str = ""
