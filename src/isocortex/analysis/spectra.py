"""How a population's rate varies: its spectrum and its size, against independent Poisson cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isocortex.analysis.rates import population_rate, spectrum

BIN = 1.0  # ms
#: Segments that are averaged, ms: the longest of which three fit, half over each other.
SEGMENTS = (250.0, 500.0, 1000.0, 2000.0)
#: Frequencies that are looked at, Hz.
RANGE = (1.0, 200.0)
#: Width of a Hann window's equivalent noise band, in bins of frequency.
HANN_BANDWIDTH = 1.5


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
        n = self.n_segments
        freedom = 36 * n**2 / (19 * n - 1)
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
