"""What a session keeps in memory: spikes and recorded quantities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import Simulation
from isocortex.engine.interface import Piece
from isocortex.report.record import Recorder
from isocortex.session.loop import Run, Watching

if TYPE_CHECKING:
    import pandas as pd
    import xarray


class Spikes(Watching):
    """All spikes of a run."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []

    def after(self, run: Run, piece: Piece) -> None:
        if len(piece.source):
            self.pieces.append(piece._replace(samples=piece.samples[:0, :0].copy()))

    def restored(self, run: Run) -> None:
        network, end = run.network, run.step * run.settings.dt
        # point neurons spike at any time until the last step's middle, cells at a step's end
        ends = np.round([end, end - 0.5 * run.settings.dt], 6)
        kept = []
        for piece in self.pieces:
            is_point = (piece.source >= network.circuit_cells).astype(int)
            mine = np.round(piece.time, 6) <= ends[is_point]
            kept.append(piece._replace(source=piece.source[mine], time=piece.time[mine]))
        self.pieces = kept
        run.n_spikes = sum(len(piece.source) for piece in kept)

    def table(self, run: Run) -> pd.DataFrame:
        """Those that a run which ended now would have written, as ``Result.spikes``."""
        import pandas as pd  # for whoever asks: a run needs none

        network, dt = run.network, run.settings.dt
        sources = np.concatenate([np.zeros(0, np.int64), *(p.source for p in self.pieces)])
        times = np.concatenate([np.zeros(0), *(p.time for p in self.pieces)])
        seen = (sources >= network.circuit_cells) | (times < (run.step - 0.5) * dt)
        sources, times = sources[seen], np.round(times[seen], 6)
        names = np.array(network.populations, object)
        table = pd.DataFrame(
            {
                "timestamps": times,
                "node_ids": network.source_node_id[sources],
                "population": pd.Series(names[network.source_population[sources]], dtype="str"),
            }
        )
        order = ["population", "timestamps", "node_ids"]
        return table.sort_values(order, kind="stable", ignore_index=True)


class Trace(Watching):
    """A quantity of some compartments, from the step on at which it was asked for.

    Attributes
    ----------
    data : float64[time, element], labelled as :meth:`Result.report` does.
    """

    def __init__(self, recorder: Recorder, name: str, population: str) -> None:
        self.recorder, self.name, self.population = recorder, name, population
        self.rows: list[FloatArray] = []
        self.steps: list[IntArray] = []  # that each of these is the end of

    def start(self, run: Run) -> None:
        self.columns = run.record(self.recorder.probes)
        self.dt = run.settings.dt

    def changed(self, run: Run, simulation: Simulation) -> None:
        self.recorder.renew(run.network, simulation)
        run.record_again(self.columns, self.recorder.probes)

    def after(self, run: Run, piece: Piece) -> None:
        self.rows.append(self.recorder.values(piece.samples[:, self.columns]))
        self.steps.append(np.arange(run.step - len(piece.samples), run.step) + 1)

    def restored(self, run: Run) -> None:
        kept = [steps <= run.step for steps in self.steps]
        self.rows = [rows[mine] for rows, mine in zip(self.rows, kept, strict=True)]
        self.steps = [steps[mine] for steps, mine in zip(self.steps, kept, strict=True)]

    @property
    def data(self) -> xarray.DataArray:
        import xarray

        mapping = self.recorder.mapping
        values = np.concatenate([np.zeros((0, len(mapping["element_ids"]))), *self.rows])
        counts = np.diff(mapping["index_pointer"])
        time = self.dt * np.concatenate([np.zeros(0, np.int64), *self.steps])
        return xarray.DataArray(
            values,
            dims=("time", "element"),
            coords={
                "time": ("time", time, {"units": "ms"}),
                "node_id": ("element", np.repeat(mapping["node_ids"], counts)),
                "element_id": ("element", np.asarray(mapping["element_ids"], np.int64)),
                "element_pos": ("element", np.asarray(mapping["element_pos"], float)),
            },
            name=self.name,
            attrs={
                "variable": self.name,
                "units": self.recorder.quantity.units,
                "population": self.population,
            },
        )

    def __repr__(self) -> str:
        steps = sum(len(rows) for rows in self.rows)
        return f"Trace({self.name} of {len(self.recorder.elements)} compartments, {steps} samples)"
