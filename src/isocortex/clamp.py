"""Current-clamp experiments on single cells, many amplitudes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.cells.compiled import CompiledCell
from isocortex.circuit.signals import Pulses
from isocortex.engine.cpu import CpuEngine
from isocortex.engine.interface import Piece, ProbeTable, Settings, Variable
from isocortex.errors import ConfigError
from isocortex.mechanisms import DENSITY
from isocortex.network.network import CurrentSource, bare_network
from isocortex.session.loop import Run, Task, Watching


@dataclass(frozen=True)
class StepResponse:
    """Responses of one cell to current steps.

    Attributes (k amplitudes, t samples)
    ----------
    amps : float64[k], nA.
    delay, duration : of the step, ms.
    time : float64[t], ms, at the end of each step.
    v : float64[k, t], soma voltage, mV.
    cai : float64[k, t], soma calcium, mM; NaN without a calcium shell.
    spikes : k arrays of spike times, ms.
    v_end : float64[k, n_nodes], voltage of every node at the end, mV.
    """

    cell: CompiledCell
    amps: FloatArray
    delay: float
    duration: float
    time: FloatArray
    v: FloatArray
    cai: FloatArray
    spikes: list[FloatArray]
    v_end: FloatArray

    @property
    def rates(self) -> FloatArray:
        """float64[k], spikes per second during the step, as far as it was simulated, Hz."""
        end = min(self.delay + self.duration, float(self.time[-1]))
        counts = [np.count_nonzero((s >= self.delay) & (s < end)) for s in self.spikes]
        return np.array(counts) / (1e-3 * (end - self.delay))

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{a:g} nA: {len(s)}" for a, s in zip(self.amps, self.spikes, strict=True)
        )
        return f"StepResponse({self.cell.name}: spikes at {counts})"


def step(
    cell: CompiledCell,
    amp: float | Sequence[float],
    *,
    delay: float = 100.0,
    duration: float = 800.0,
    tstop: float = 1000.0,
    dt: float = 0.025,
    celsius: float = 34.0,
    v_init: float | None = None,
    threshold: float = -15.0,
    precision: str = "double",
) -> StepResponse:
    """Inject current steps into the soma.

    Parameters
    ----------
    amp : nA, one or several; all are simulated side by side.
    delay, duration, tstop, dt : ms.
    v_init : mV, by default the leak reversal potential.
    """
    if not (dt > 0 and 0 <= delay < tstop - dt and duration > 0):
        raise ConfigError(
            f"impossible times: dt {dt:g}, tstop {tstop:g}, delay {delay:g}, "
            f"duration {duration:g} ms",
            fix="Let dt and duration be positive, and the step begin before tstop.",
        )
    amps = np.atleast_1d(np.asarray(amp, float))
    sources = [
        CurrentSource(i, cell.soma, Pulses(np.array([a]), np.array([delay]), np.array([duration])))
        for i, a in enumerate(amps)
    ]
    network = bare_network([cell], np.zeros(len(amps), np.int64), sources)
    rest = float(cell.e_pas[cell.soma]) if v_init is None else v_init
    settings = Settings(
        dt=dt, celsius=celsius, v_init=rest, threshold=threshold, precision=precision
    )
    n_steps, k = int(round(tstop / dt)), len(amps)
    run = Run(Task(network, CpuEngine(network, settings), settings, n_steps))
    somas = _Somas([(i, cell.soma, Variable(name)) for name in ("v", "cai") for i in range(k)])
    run.observe(somas)
    run.advance_to(n_steps)
    samples = np.concatenate([piece.samples for piece in somas.pieces])
    sources_, times = (
        np.concatenate([getattr(piece, name) for piece in somas.pieces])
        for name in ("source", "time")
    )
    pool = DENSITY.pool(cell.mechanisms)
    has_shell = pool is not None and cell.soma in cell.mechanisms[pool].nodes
    return StepResponse(
        cell=cell,
        amps=amps,
        delay=delay,
        duration=duration,
        time=np.arange(1, n_steps + 1) * np.float64(dt),
        v=samples[:, :k].T,
        cai=samples[:, k:].T if has_shell else np.full((k, n_steps), np.nan),
        spikes=[np.round(times[sources_ == i], 9) for i in range(k)],
        v_end=np.array([run.engine.voltage(i) for i in range(k)]),
    )


class _Somas(Watching):
    """Keeps everything."""

    def __init__(self, probes: list[tuple[int, int, Variable]]) -> None:
        self.probes, self.pieces = ProbeTable.of(probes), list[Piece]()

    def start(self, run: Run) -> None:
        run.record(self.probes)

    def after(self, run: Run, piece: Piece) -> None:
        self.pieces.append(piece)
