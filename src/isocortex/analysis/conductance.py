"""Mean synaptic conductance and current of cells, by where their synapses come from.

A synaptic event leaves behind a conductance whose integral over time is known
(:attr:`isocortex.mechanisms.synapses.Kinetics.integral`). So the mean over time follows from the
circuit and from how often each source spikes; no run has to record it. It counts what all events
of some spikes leave behind, however late they arrive: over an interval much longer than delays and
time constants that is the mean over the interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import (
    Cells,
    PoissonInput,
    Projection,
    Simulation,
    SpikeInput,
    Synapses,
)
from isocortex.circuit.force import in_force
from isocortex.errors import ConfigError, InputError
from isocortex.mechanisms.synapses import EXCITES_ABOVE
from isocortex.network.cells import compile_cells
from isocortex.network.connect import cells_of
from isocortex.network.factors import Factors, factors_of
from isocortex.network.inputs import poisson_sources
from isocortex.network.paces import with_paces
from isocortex.network.sources import BIOPHYSICAL, VIRTUAL, Sources, number_sources

#: Voltage at which inhibitory and excitatory currents are compared, mV: between their reversals,
#: about where awake cells are. Inhibition dominates there (Haider et al. 2013,
#: doi:10.1038/nature11665).
COMPARED_AT = -60.0
#: Spikes of Poisson sources that are drawn at a time.
DRAWN_AT_ONCE = 2**22


class Origin(NamedTuple):
    """Where some synapses come from, and where their current reverses.

    Attributes
    ----------
    source : population of their sources.
    recurrent : whether these are simulated; else they are virtual nodes, which do what they are
        told.
    reversal : mV.
    """

    source: str
    recurrent: bool
    reversal: float

    @property
    def excites(self) -> bool:
        return self.reversal > EXCITES_ABOVE


@dataclass(frozen=True)
class Conductance:
    """Mean synaptic conductance of cells, by origin.

    Attributes (n cells, k origins)
    ----------
    population : of the cells.
    rows : int64[n], of its table.
    origins : k of them.
    nS : float64[n, k].
    """

    population: str
    rows: IntArray
    origins: tuple[Origin, ...]
    nS: FloatArray

    def of(
        self,
        *,
        excites: bool | None = None,
        recurrent: bool | None = None,
        source: str | None = None,
    ) -> FloatArray:
        """Sum over some origins, float64[n], nS; None is any."""
        total: FloatArray = self.nS[:, self._chosen(excites, recurrent, source)].sum(axis=1)
        return total

    def current(
        self,
        voltage: float = COMPARED_AT,
        *,
        excites: bool | None = None,
        recurrent: bool | None = None,
        source: str | None = None,
    ) -> FloatArray:
        """Mean current of some origins, float64[n], nA, negative inwards.

        Parameters
        ----------
        voltage : mV, held everywhere on the cell.
        """
        mine = self._chosen(excites, recurrent, source)
        reversal = np.array([origin.reversal for origin in self.origins])[mine]
        total: FloatArray = 1e-3 * (self.nS[:, mine] * (voltage - reversal)).sum(axis=1)
        return total

    def recurrent_share(self, voltage: float = COMPARED_AT) -> FloatArray:
        """Share of the excitatory charge that recurrent synapses bring, float64[n], 0 to 1.

        It depends on ``voltage`` (mV) only where excitatory synapses reverse at several. NaN
        without excitation.
        """
        return _ratio(
            self.current(voltage, excites=True, recurrent=True),
            self.current(voltage, excites=True),
        )

    def balance(self, voltage: float = COMPARED_AT) -> FloatArray:
        """Inhibitory over excitatory current at ``voltage`` (mV), float64[n].

        Positive where one flows outwards and the other inwards; NaN without excitation.
        """
        return -_ratio(self.current(voltage, excites=False), self.current(voltage, excites=True))

    def table(self) -> pd.DataFrame:
        """A row per cell; a column (``excitatory`` or ``inhibitory``, source population), nS."""
        pairs = dict.fromkeys((origin.excites, origin.source) for origin in self.origins)
        columns = {
            ("excitatory" if excites else "inhibitory", source): self.of(
                excites=excites, source=source
            )
            for excites, source in pairs
        }
        names = pd.MultiIndex.from_tuples(columns, names=["synapses", "source"])
        values = np.stack([*columns.values()], 1) if columns else np.zeros((len(self.rows), 0))
        return pd.DataFrame(values, pd.Index(self.rows, name="row"), names)

    def _chosen(
        self, excites: bool | None, recurrent: bool | None, source: str | None
    ) -> NDArray[np.bool_]:
        return np.array(
            [
                excites in (None, origin.excites)
                and recurrent in (None, origin.recurrent)
                and source in (None, origin.source)
                for origin in self.origins
            ],
            bool,
        )


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole != 0.0)


def mean_conductance(
    simulation: Simulation,
    spikes: pd.DataFrame,
    start: float,
    stop: float,
    *,
    population: str | None = None,
    rows: IntArray | None = None,
) -> Conductance:
    """Mean conductance of biophysical cells by origin, of the spikes from ``start`` to ``stop``.

    Parameters
    ----------
    simulation : with its projections and inputs; of changes those count that are in force at
        ``start``.
    spikes, start, stop : see :func:`source_rates`.
    population, rows : see :func:`conductance_at`.

    Examples
    --------
    >>> result = Result("output")  # doctest: +SKIP
    >>> g = mean_conductance(simulation_of(result), result.spikes, 500.0, result.duration)
    >>> g.recurrent_share(), g.balance(), g.of(excites=False)
    """
    simulation = in_force(simulation, start)
    rates = source_rates(simulation, spikes, start, stop)
    return conductance_at(simulation, rates, population=population, rows=rows)


def source_rates(
    simulation: Simulation, spikes: pd.DataFrame, start: float, stop: float
) -> dict[str, FloatArray]:
    """How fast every node of a circuit spiked.

    What virtual nodes send is told by the inputs, and drawn again where it is random.

    Parameters
    ----------
    spikes : of cells and point neurons, as :attr:`isocortex.Result.spikes` has them: timestamps
        (ms), node_ids, population. Those of virtual nodes are not counted twice.
    start, stop : ms; spikes before ``start``, and at ``stop`` or later, do not count.

    Returns
    -------
    Population -> float64[rows], Hz.
    """
    if not stop > start:
        raise ConfigError(
            f"from {start:g} to {stop:g} ms there is no time", field="stop",
            fix="Let it be later than start.",
        )  # fmt: skip
    nodes = simulation.circuit.nodes
    counts = {name: np.zeros(len(each.node_ids)) for name, each in nodes.items()}
    inside = spikes[(spikes["timestamps"] >= start) & (spikes["timestamps"] < stop)]
    for name, ids in inside.groupby("population", observed=True)["node_ids"]:
        if name not in nodes:
            raise InputError(
                f"there are spikes of population {name!r}, which the circuit lacks: it has "
                f"{', '.join(nodes)}", file=simulation.config_file, field="networks.nodes",
                fix="Give the circuit that was run.",
            )  # fmt: skip
        row = nodes[name].index_of(
            ids.to_numpy(), file=simulation.config_file, field="networks.nodes"
        )
        counts[name] += np.bincount(row, minlength=len(counts[name]))
        counts[name][nodes[name].virtual] = 0.0
    for made in in_force(simulation, start).inputs:
        if isinstance(made, SpikeInput):
            seen = (made.times >= start) & (made.times < stop)
            counts[made.population] += np.bincount(
                made.rows[seen], minlength=len(counts[made.population])
            )
        elif isinstance(made, PoissonInput):
            np.add.at(counts[made.population], made.rows, _poisson_counts(made, start, stop))
    return {name: 1e3 / (stop - start) * count for name, count in counts.items()}


def _poisson_counts(made: PoissonInput, start: float, stop: float) -> IntArray:
    """Spikes of every source of an input, int64[n], drawn for some sources at a time."""
    sources = poisson_sources(made, np.arange(len(made.rows)))
    until = max(min(stop, made.stop) - made.start, 0.0)
    several = np.cumsum(until / sources.mean) // DRAWN_AT_ONCE
    counts = np.zeros(len(sources), np.int64)
    for group in np.unique(several):
        source, time = sources.only(several == group).begin().until(stop)
        seen = (time >= start) & (time < stop)
        counts += np.bincount(source[seen], minlength=len(counts))
    return counts


def conductance_at(
    simulation: Simulation,
    rates: Mapping[str, FloatArray],
    *,
    population: str | None = None,
    rows: IntArray | None = None,
) -> Conductance:
    """Mean conductance of biophysical cells whose sources spike at given rates, by origin.

    Synapses are asked for piece by piece, and none are kept.

    Parameters
    ----------
    simulation : with its projections.
    rates : population -> float[rows], Hz; of populations that are left out, 0.
    population : the cells', by default the only one that has biophysical cells.
    rows : int64[n], of its table; by default all its biophysical cells.

    Raises
    ------
    ConfigError : no such population or cells.
    """
    simulation = in_force(simulation)
    sources = number_sources(simulation.circuit)
    name = _population(simulation, sources, population)
    rows = _rows(simulation, sources, name, rows)
    models, cell_model = compile_cells(simulation, sources)
    cells = cells_of(name, sources, models, cell_model)
    onto = [each for each in simulation.circuit.projections if each.target == name]
    origins: dict[Origin, int] = {}
    parts = [_Part.of(each, cells, sources, simulation, origins) for each in onto]
    n_nodes, k = len(cells.model), max(len(origins), 1)
    total = np.zeros(n_nodes * k)
    asked = None if len(rows) == n_nodes else np.sort(rows)
    for part in parts:
        rate = rates.get(part.projection.source)
        if rate is None or not np.any(rate):
            continue
        for made in part.synapses(asked, cells, simulation.seed):
            origin = part.origin[part.virtual[made.source].astype(np.int8), made.kind]
            each = made.weight * part.integral[made.kind] * np.asarray(rate)[made.source]
            total += np.bincount(made.target * k + origin, each, minlength=len(total))
    of_rows = total.reshape(n_nodes, k)[rows, : len(origins)]  # uS ms Hz = nS
    return Conductance(name, rows, tuple(origins), of_rows)


class _Part(NamedTuple):
    """A projection and what its synapses are.

    Attributes
    ----------
    factors : what overrides make of the weights.
    virtual : bool[sources].
    integral : float64[kinds], ms.
    origin : int64[2, kinds], number of the origin of synapses of nodes that are simulated, and of
        virtual ones.
    """

    projection: Projection
    factors: Factors | None
    virtual: NDArray[np.bool_]
    integral: FloatArray
    origin: IntArray

    @classmethod
    def of(
        cls,
        projection: Projection,
        cells: Cells,
        sources: Sources,
        simulation: Simulation,
        origins: dict[Origin, int],
    ) -> _Part:
        """Origins that are not in ``origins`` yet are added to it."""
        factors = factors_of(
            simulation.overrides, projection,
            (len(sources.kind[projection.source]), len(cells.model)),
        )  # fmt: skip
        kinds = [changed for changed, _ in with_paces(projection.kinds(cells), factors)]
        if any(kind.release is not None or kind.block is not None for kind in kinds):
            raise ConfigError(
                f"synapses of {projection.name} are plastic or blocked: what they bring does not "
                "follow from rates", file=simulation.config_file, field=f"edges/{projection.name}",
                fix="Record g_syn of some cells instead.",
            )  # fmt: skip
        virtual = sources.kind[projection.source] == VIRTUAL
        origin = np.zeros((2, len(kinds)), np.int64)
        for is_virtual in np.unique(virtual).tolist():
            for k, kinetics in enumerate(kinds):
                key = Origin(projection.source, not is_virtual, kinetics.reversal)
                origin[int(is_virtual), k] = origins.setdefault(key, len(origins))
        integral = np.array([kinetics.integral for kinetics in kinds])
        return cls(projection, factors, virtual, integral, origin)

    def synapses(self, rows: IntArray | None, cells: Cells, seed: int) -> Iterator[Synapses]:
        """With the weights and kinetics that they have in the simulation."""
        for made in self.projection.onto(rows, cells, seed):
            yield made if self.factors is None else self.factors.changed(made)


def _population(simulation: Simulation, sources: Sources, wanted: str | None) -> str:
    able = [name for name, kind in sources.kind.items() if (kind == BIOPHYSICAL).any()]
    name = able[0] if wanted is None and len(able) == 1 else wanted
    if name not in able:
        raise ConfigError(
            "several populations" if name is None and able else f"no biophysical cells in {name!r}",
            file=simulation.config_file, field="population",
            fix=f"Name one of {', '.join(able) or 'none'}.",
        )  # fmt: skip
    return name


def _rows(
    simulation: Simulation, sources: Sources, population: str, rows: IntArray | None
) -> IntArray:
    on_cell = sources.kind[population] == BIOPHYSICAL
    if rows is None:
        return np.flatnonzero(on_cell)
    rows = np.asarray(rows, np.int64)
    outside = (rows < 0) | (rows >= len(on_cell))
    if outside.any() or not on_cell[rows].all():
        wrong = rows[outside | ~on_cell[np.where(outside, 0, rows)]][0]
        raise ConfigError(
            f"row {wrong} of {population} is no biophysical cell", file=simulation.config_file,
            field="rows", fix="Choose rows of its table that are.",
        )  # fmt: skip
    return rows
