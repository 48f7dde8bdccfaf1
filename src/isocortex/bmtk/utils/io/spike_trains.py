"""Poisson trains as scripts before BMTK 1.0 draw them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from isocortex.bmtk.utils.reports.spike_trains.generators import require_rate
from isocortex.errors import ConfigError


class PoissonSpikesGenerator:
    """Trains of a constant rate, by NumPy's random numbers in BMTK's order.

    Parameters
    ----------
    firing_rate : Hz.
    tstart, tstop : ms; the last spike of a train is after ``tstop``, as in BMTK.
    """

    def __init__(
        self,
        gids: Iterable[int],
        firing_rate: float,
        tstart: float = 0.0,
        tstop: float = 1000.0,
    ) -> None:
        require_rate(firing_rate)  # trains of a negative one would have no end
        self.gids, self.rate, self.span = list(gids), firing_rate / 1000.0, (tstart, tstop)

    def to_hdf5(self, file_name: str | os.PathLike[str], sort_order: str = "gid") -> None:
        """Draw the trains and write them in the layout before SONATA."""
        if sort_order != "gid":
            raise ConfigError(
                f"there is no order {sort_order!r}", field="sort_order", fix="Use gid, as in BMTK."
            )
        gids: list[int] = []
        times: list[float] = []
        for gid in self.gids:
            now = self.span[0]
            while now < self.span[1]:
                now += -np.log(1.0 - np.random.uniform()) / self.rate
                gids.append(gid)
                times.append(now)
        with h5py.File(Path(file_name), "w") as file:
            file.create_dataset("/spikes/gids", data=gids, dtype=np.uint64)
            file.create_dataset("/spikes/timestamps", data=times, dtype=np.float64)
            file["/spikes"].attrs["sorting"] = "by_gid"
