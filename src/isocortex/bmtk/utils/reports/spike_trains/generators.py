"""Spike trains that scripts draw."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.bmtk.utils.reports.spike_trains.trains import SpikeTrains, StrPath
from isocortex.errors import ConfigError, InputError
from isocortex.sonata.nodes import read_nodes
from isocortex.sonata.spikes_in import UNITS


class _Generator(SpikeTrains):
    """Trains drawn by NumPy's random numbers, in BMTK's order: the same seed, the same spikes."""

    def __init__(
        self,
        population: str | None = None,
        seed: int | None = None,
        output_units: str = "ms",
        **options: Any,
    ) -> None:
        super().__init__(population, units=output_units, **options)
        if seed is not None:
            np.random.seed(seed)

    def _draw(self, node_ids: Any, population: str | None, train: Any) -> None:
        """Add a train to each node; ``train()`` gives times in s."""
        if isinstance(node_ids, str | os.PathLike):
            node_ids = _nodes_of(Path(node_ids), population)
        factor = 1000.0 / UNITS[self._units]
        for node in np.atleast_1d(
            np.asarray(list(node_ids) if np.iterable(node_ids) else node_ids)
        ):
            times = np.array(train())
            if len(times):
                self.add_spikes(int(node), times * factor, population)


class PoissonSpikeGenerator(_Generator):
    """Poisson trains, of a constant or a changing rate."""

    def add(
        self,
        node_ids: int | Iterable[int] | StrPath,
        firing_rate: float | ArrayLike,
        population: str | None = None,
        times: float | ArrayLike = (0.0, 1.0),
        abs_ref: float = 0.0,
        tau_ref: float = 0.0,
    ) -> None:
        """Add trains to some nodes.

        Parameters
        ----------
        node_ids : or a file of nodes, for all of them.
        firing_rate : Hz, or at each of ``times``.
        times : s, from and to; those of the rates where there are several.
        abs_ref, tau_ref : s, during which no spike follows another, and the time constant with
            which the rate comes back after it; the mean rate is what is asked for, and spikes are
            others than BMTK's.
        """
        rate = np.asarray(firing_rate, float)
        span = np.asarray(times, float) if np.ndim(times) else np.array([0.0, float(times)])  # type: ignore[arg-type]
        require_rate(rate)
        _require_time(span)
        if rate.ndim and len(rate) != len(span):
            raise ConfigError(
                f"{len(rate)} rates at {len(span)} times", field="firing_rate", fix="Give as many."
            )
        if abs_ref or tau_ref:
            rate = _before_refractoriness(rate, abs_ref, tau_ref)
        fastest = float(rate.max())

        def train() -> list[float]:
            found, now = [], float(span[0])
            while True:
                drawn = np.random.uniform()  # of a silent node too, as in BMTK
                interval = -np.log(1.0 - drawn) / fastest if fastest > 0 else np.inf
                now += interval
                if now > span[-1]:
                    break
                kept = float(interval > abs_ref) if abs_ref else 1.0
                if tau_ref:
                    kept *= 1.0 - np.exp(-(interval - abs_ref) / tau_ref)
                if rate.ndim:
                    kept *= np.interp(now, span, rate) / fastest
                elif kept == 1.0:
                    found.append(now)
                    continue
                if np.random.uniform() <= kept:
                    found.append(now)
            return found

        self._draw(node_ids, population, train)


class GammaSpikeGenerator(_Generator):
    """Trains whose intervals are gamma distributed."""

    def add(
        self,
        node_ids: int | Iterable[int] | StrPath,
        firing_rate: float,
        a: float,
        population: str | None = None,
        times: float | ArrayLike = (0.0, 1.0),
    ) -> None:
        """Add trains of a constant rate (Hz) and shape ``a``, 1 for Poisson; ``times`` in s."""
        span = np.asarray(times, float) if np.ndim(times) else np.array([0.0, float(times)])  # type: ignore[arg-type]
        require_rate(firing_rate)
        _require_time(span)
        n = round((span[-1] - span[0]) * firing_rate * 1.5)

        def train() -> NDArray[np.float64]:
            moments = span[0] + np.cumsum(np.random.standard_gamma(a, n) / (a * firing_rate))
            return moments[moments <= span[-1]]

        self._draw(node_ids, population, train)


def require_rate(rate: float | FloatArray) -> None:
    """Refuse rates, Hz, that none can be."""
    if not np.all(np.asarray(rate) >= 0):
        raise ConfigError("rates must not be negative", field="firing_rate", fix="Mend them.")


def _require_time(span: FloatArray) -> None:
    if not span[0] < span[-1]:
        raise ConfigError(f"no time: {span[[0, -1]].tolist()} s", field="times", fix="From, to.")


def _before_refractoriness(rate: FloatArray, abs_ref: float, tau_ref: float) -> FloatArray:
    """The rate (Hz) of which so many spikes are lost that ``rate`` is left."""
    before = np.logspace(0, 3, 1000)
    after = before * np.exp(-before * abs_ref)
    if tau_ref:
        after -= before**2 * tau_ref / (before * tau_ref + 1) * np.exp(-before * abs_ref)
    top = int(np.argmax(after))
    if (rate > after[top]).any():
        raise ConfigError(
            f"no rate above {after[top]:.4g} Hz is left by this refractoriness",
            field="firing_rate", fix="Choose a lower rate, or GammaSpikeGenerator.",
        )  # fmt: skip
    return np.interp(rate, after[: top + 1], before[: top + 1])


def _nodes_of(file: Path, population: str | None) -> IntArray:
    """Ids of a file's nodes: of the population that is asked for, or of the only one."""
    found = {nodes.name: nodes.node_ids for nodes in read_nodes(file, None)}
    if population not in found and len(found) > 1:
        raise InputError(
            f"has no population {population!r}", file=file, fix=f"It has {', '.join(found)}."
        )
    return found.get(str(population), next(iter(found.values())))
