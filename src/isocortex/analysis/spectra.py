"""How a population's rate varies: its spectrum and its size, against independent Poisson cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isocortex.analysis.counts import Groups, by_group, group_of
from isocortex.analysis.rates import population_rate, segment_transforms, spectrum

BIN = 1.0  # ms
#: Segments that are averaged, ms: the longest of which three fit, half over each other.
SEGMENTS = (250.0, 500.0, 1000.0, 2000.0)
#: Frequencies that are looked at, Hz.
RANGE = (1.0, 200.0)
#: Width of a Hann window's equivalent noise band, in bins of frequency.
HANN_BANDWIDTH = 1.5
#: Half of the width of a narrow peak, Hz. A clock fits in it, also one whose period varies by a
#: tenth at 20 Hz; the broad gamma and beta of cortex at rest, 10 Hz and more wide, do not.
NARROW = 2.5


@dataclass(frozen=True)
class PopulationSpectrum:
    """Spectrum of a population's rate.

    Attributes
    ----------
    frequency : float[bins], Hz, within ``RANGE``.
    power : float[bins], Hz^2 / Hz, one-sided, of the rate per cell.
    relative : float[bins], ``power`` over that of as many independent Poisson cells of the same
        rate, 1.
    resolution : Hz, the equivalent noise bandwidth.
    n_segments : averaged.
    """

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    relative: NDArray[np.float64]
    resolution: float
    n_segments: int

    @property
    def interval(self) -> tuple[float, float]:
        """Factors between which 95 % of the estimates of a flat spectrum lie.

        Chi-square with the degrees of freedom of half-overlapping Hann segments (Percival & Walden
        1993, doi:10.1017/CBO9780511622762), its quantiles by Wilson & Hilferty 1931.
        """
        freedom = 2 * _independent(self.n_segments)
        spread = 2 / (9 * freedom)
        low, high = (float((1 - spread + z * spread**0.5) ** 3) for z in (-1.96, 1.96))
        return low, high


def segment_length(duration: float) -> float | None:
    """Length of the segments for a run of ``duration``, ms; None if it is too short for any."""
    fitting = [length for length in SEGMENTS if 2 * length <= duration + 1e-6]
    return fitting[-1] if fitting else None


def population_spectrum(times: ArrayLike, n_cells: int, duration: float) -> PopulationSpectrum:
    """Spectrum of the rate of ``n_cells`` cells by Welch's method, from bins of 1 ms.

    Parameters
    ----------
    times : float[spikes], ms, of all cells together.
    n_cells : silent ones included.
    duration : ms; :func:`segment_length` must know a length for it.
    """
    length = segment_length(duration)
    if length is None:
        raise ValueError(f"{duration:g} ms are too short for a spectrum")
    whole = np.floor(duration / BIN + 1e-9) * BIN
    moments = np.asarray(times, dtype=float)
    moments = moments[moments < whole]
    _, rate = population_rate(moments, n_cells, whole, BIN)
    frequency, power = spectrum(rate, BIN, int(length / BIN))
    resolution = HANN_BANDWIDTH * 1000.0 / length
    # the first bin above 0 lost power with the segments' means
    shown = (frequency >= max(RANGE[0], 2000.0 / length)) & (frequency <= RANGE[1])
    mean = len(moments) / max(n_cells, 1) / (1e-3 * whole)  # Hz
    poisson = 2.0 * mean / max(n_cells, 1)  # one-sided level of white noise, Hz^2 / Hz
    relative = power[shown] / poisson if poisson else np.full(int(shown.sum()), np.nan)
    n_segments = (len(rate) - int(length / BIN)) // (int(length / BIN) // 2) + 1
    return PopulationSpectrum(frequency[shown], power[shown], relative, resolution, n_segments)


def spectra_by_group(
    times: ArrayLike, ids: ArrayLike, groups: Groups, duration: float
) -> dict[Any, PopulationSpectrum]:
    """Spectrum of the rate of each group.

    Parameters
    ----------
    times, ids : float[spikes], ms, and int[spikes], in any order.
    groups : group -> node ids, silent cells included.
    duration : see :func:`population_spectrum`.
    """
    times, group = np.asarray(times, dtype=float), group_of(ids, groups)
    return {
        name: population_spectrum(times[group == k], len(groups[name]), duration)
        for k, name in enumerate(groups)
    }


@dataclass(frozen=True)
class Peak:
    """The strongest peak of a spectrum.

    Attributes
    ----------
    frequency : Hz, of the largest power.
    share : of the power up to the highest frequency that lies in the peak, 0 to 1.
    share_of_excess : the same of the power above that of independent Poisson cells, which hides
        the peaks of small populations; NaN where nothing is above it.
    """

    frequency: float
    share: float
    share_of_excess: float


def strongest_peak(
    found: PopulationSpectrum, highest: float = 100.0, half_width: float = NARROW
) -> Peak:
    """The strongest peak up to ``highest`` and its share of the power up to there.

    The peak is the power within ``half_width`` of the frequency of the largest power. All figures
    are NaN for a silent population.

    Parameters
    ----------
    highest : Hz.
    half_width : Hz; at least the resolution of the spectrum is taken.
    """
    frequency = found.frequency[found.frequency <= highest]
    power = found.power[: len(frequency)]
    if not power.any():
        return Peak(*3 * (float("nan"),))
    top = frequency[np.argmax(power)]
    near = np.abs(frequency - top) <= max(half_width, found.resolution) + 1e-9
    excess = np.maximum(power * (1.0 - 1.0 / found.relative[: len(power)]), 0.0)
    of_excess = excess[near].sum() / excess.sum() if excess.any() else float("nan")
    return Peak(float(top), float(power[near].sum() / power.sum()), float(of_excess))


def peaks(spectra: Mapping[Any, PopulationSpectrum], highest: float = 100.0) -> pd.DataFrame:
    """The strongest peak of each group's spectrum.

    Returns
    -------
    By group: ``frequency_hz``, ``share``, ``share_of_excess``, see :class:`Peak`.
    """
    found = [strongest_peak(each, highest) for each in spectra.values()]
    return pd.DataFrame(
        [(peak.frequency, peak.share, peak.share_of_excess) for peak in found],
        index=by_group(spectra),
        columns=["frequency_hz", "share", "share_of_excess"],
    )


@dataclass(frozen=True)
class Coherence:
    """How much two rates go together, by frequency.

    Attributes
    ----------
    frequency : float[frequencies], Hz.
    value : float[frequencies], magnitude-squared coherence, 0 to 1; NaN where a rate has no power.
    phase : float[frequencies], rad, -pi to pi, positive where the second follows the first: over
        2 pi times the frequency, the delay in s.
    n_segments : averaged.
    """

    frequency: NDArray[np.float64]
    value: NDArray[np.float64]
    phase: NDArray[np.float64]
    n_segments: int

    @property
    def threshold(self) -> float:
        """Value that 5 % of the estimates for independent rates exceed.

        1 - 0.05^(1 / (n - 1)) for n independent segments (Rosenberg et al. 1989,
        doi:10.1016/0079-6107(89)90004-7), with as many as the half-overlapping ones are worth.
        """
        n = _independent(self.n_segments)
        return float(1.0 - 0.05 ** (1.0 / (n - 1.0))) if n > 1 else 1.0


def coherence(
    first: ArrayLike, second: ArrayLike, bin_width: float, segment: int | None = None
) -> Coherence:
    """Magnitude-squared coherence of two rates and its phase, by Welch's method.

    Parameters
    ----------
    first, second : float[bins], Hz or counts, evenly spaced.
    bin_width : ms.
    segment : bins per segment; see :func:`isocortex.analysis.rates.spectrum`. Of few segments
        the coherence is high by chance, 1 for one: see ``threshold``.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if len(first) != len(second):
        raise ValueError(f"rates of {len(first)} and {len(second)} bins have no coherence")
    frequency, a = segment_transforms(first, bin_width, segment)
    _, b = segment_transforms(second, bin_width, segment)
    cross = np.mean(a * np.conj(b), axis=0)
    power = np.mean(np.abs(a) ** 2, axis=0) * np.mean(np.abs(b) ** 2, axis=0)
    value = np.divide(np.abs(cross) ** 2, power, np.full(len(power), np.nan), where=power > 0)
    return Coherence(frequency, value, np.angle(cross), len(a))


def band_means(
    frequency: ArrayLike, values: ArrayLike, per_octave: int = 6
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over bands of equal width in octaves; bands that hold no frequency are left out.

    Parameters
    ----------
    frequency : float[bins], Hz, ascending and positive.
    values : float[bins].

    Returns
    -------
    float[bands], Hz, mean frequency of each band; float[bands].
    """
    frequency, values = np.asarray(frequency, dtype=float), np.asarray(values, dtype=float)
    octave = np.floor(per_octave * np.log2(frequency / frequency[0]) + 1e-9).astype(np.int64)
    _, band = np.unique(octave, return_inverse=True)
    n = np.bincount(band)
    return np.bincount(band, frequency) / n, np.bincount(band, values) / n


def fano_factor(times: ArrayLike, duration: float, bin_width: float = 10.0) -> float:
    """Variance over mean of a population's spike counts: 1 for independent Poisson cells.

    Parameters
    ----------
    times : float[spikes], ms, of all cells together.
    duration, bin_width : ms; what is left of the last bin is not counted.

    Returns
    -------
    NaN without spikes or with fewer than two bins.
    """
    counts = _counts(times, duration, bin_width)
    if len(counts) < 2 or not counts.any():
        return float("nan")
    return float(counts.var(ddof=1) / counts.mean())


def rate_modulation(times: ArrayLike, duration: float, bin_width: float = 10.0) -> float:
    """Standard deviation over mean of the rate that a population's cells share.

    That of a Poisson process with a varying rate: what its counts vary more than a Poisson process
    with a constant rate. Unlike the Fano factor it does not grow with the number of cells. 0 where
    the counts vary less than that.

    Parameters are those of :func:`fano_factor`.
    """
    counts = _counts(times, duration, bin_width)
    if len(counts) < 2 or not counts.any():
        return float("nan")
    excess = counts.var(ddof=1) - counts.mean()
    return float(np.sqrt(max(excess, 0.0)) / counts.mean())


def _counts(times: ArrayLike, duration: float, bin_width: float) -> NDArray[np.int64]:
    n = int(np.floor(duration / bin_width + 1e-9))
    if n == 0:
        return np.zeros(0, np.int64)
    counts, _ = np.histogram(np.asarray(times, dtype=float), bins=n, range=(0.0, n * bin_width))
    return counts


def _independent(n_segments: int) -> float:
    """Independent segments that half-overlapping Hann ones are worth (Percival & Walden 1993)."""
    return 18 * n_segments**2 / (19 * n_segments - 1)
