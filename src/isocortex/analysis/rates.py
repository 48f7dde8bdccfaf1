"""Numbers from spike trains: rates, their time course and spectrum, regularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isocortex.analysis.irregularity import interval_statistics

#: ms at the beginning of a run, when all cells leave the same voltage at once.
ONSET = 400.0


def settled(begin: float, duration: float) -> float:
    """From when on (ms) mean rates are counted: after the onset, of runs of twice its length.

    Parameters
    ----------
    begin, duration : of the simulated time, ms; what begins later than 0 has no onset.
    """
    return ONSET if begin == 0.0 and duration >= 2 * ONSET else begin


def cell_rates(spike_ids: ArrayLike, nodes: ArrayLike, duration: float) -> NDArray[np.float64]:
    """Mean firing rate of each cell in ``nodes``, Hz, silent cells included.

    Parameters
    ----------
    spike_ids : int[spikes], the node that fired each spike.
    nodes : int[cells], node ids in the order of the result; other cells' spikes are not counted.
    duration : ms.
    """
    nodes = np.asarray(nodes, dtype=np.int64)
    known, counts = np.unique(np.asarray(spike_ids, dtype=np.int64), return_counts=True)
    rates = np.zeros(len(nodes))
    found = np.isin(nodes, known)
    rates[found] = counts[np.searchsorted(known, nodes[found])]
    return rates * 1000.0 / duration


def population_rate(
    times: ArrayLike,
    n_cells: int,
    duration: float,
    bin_width: float = 10.0,
    begin: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rate per cell over time.

    Parameters
    ----------
    times : float[spikes], ms.
    n_cells : number of cells, silent ones included.
    duration, bin_width : ms; the last bin may be cut short by the end and is scaled accordingly.
    begin : ms, of the first bin; the last ends at ``duration``.

    Returns
    -------
    edges : float[bins + 1], ms.
    rate : float[bins], Hz per cell.
    """
    left = begin + np.arange(0.0, (duration - begin) * (1 - 1e-12), bin_width)
    edges = np.append(left, duration)
    counts, _ = np.histogram(np.asarray(times, dtype=float), bins=edges)
    return edges, counts * 1000.0 / (np.diff(edges) * max(n_cells, 1))


def spectrum(
    rate: ArrayLike, bin_width: float, segment: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power spectral density of a rate, by Welch's method (Hann window, half overlap).

    Parameters
    ----------
    rate : float[bins], Hz, evenly spaced.
    bin_width : ms.
    segment : bins per segment; by default a quarter of the data, so that seven are averaged.

    Returns
    -------
    frequency : Hz, from 0 to half the sampling rate.
    power : Hz^2 / Hz; its integral over frequency is the variance of the rate.
    """
    frequency, transforms = segment_transforms(rate, bin_width, segment)
    return frequency, np.mean(np.abs(transforms) ** 2, axis=0)


def segment_transforms(
    rate: ArrayLike, bin_width: float, segment: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Fourier transforms of the half-overlapping segments of a rate, each without its mean.

    Parameters
    ----------
    rate, bin_width, segment : see :func:`spectrum`.

    Returns
    -------
    frequency : float[frequencies], Hz, from 0 to half the sampling rate.
    transforms : complex[segments, frequencies], through a Hann window, scaled such that the mean
        of their squares is the one-sided power spectral density.
    """
    rate = np.asarray(rate, dtype=float)
    length = min(segment or max(len(rate) // 4, 2), len(rate))
    if length < 2:
        raise ValueError(f"a spectrum needs at least two bins, not {len(rate)}")
    sampling = 1000.0 / bin_width
    window = np.hanning(length + 1)[:-1]  # periodic
    starts = range(0, len(rate) - length + 1, max(length // 2, 1))
    segments = np.array([rate[start : start + length] for start in starts])
    segments -= segments.mean(axis=1, keepdims=True)
    transforms = np.fft.rfft(segments * window, axis=1) / np.sqrt(sampling * np.sum(window**2))
    transforms[:, 1 : -1 if length % 2 == 0 else None] *= np.sqrt(2)  # both halves, two-sided
    return np.arange(transforms.shape[1]) * sampling / length, transforms


def isi_cv(times: ArrayLike, spike_ids: ArrayLike) -> dict[int, float]:
    """Coefficient of variation of the interspike intervals: 0 for a clock, 1 for Poisson.

    Parameters
    ----------
    times : float[spikes], ms, in any order.
    spike_ids : int[spikes].

    Returns
    -------
    Node id -> coefficient of variation, for cells with at least three spikes.
    """
    cv = interval_statistics(times, spike_ids, min_spikes=3)["cv"]
    return dict(zip(cv.index.tolist(), cv.tolist(), strict=True))
