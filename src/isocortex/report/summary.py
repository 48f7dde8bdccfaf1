"""What a run did, and how long each stage of it took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class Summary:
    """What a run did. Times are seconds of wall-clock.

    Attributes
    ----------
    tstop : ms that were simulated: fewer than asked for if the run was stopped.
    n_events : synaptic events delivered.
    stages : stage -> seconds, in the order in which they began; together the whole run.
    started : when the run began, ISO 8601 with the offset from UTC.
    """

    n_cells: int
    n_points: int
    n_virtual: int
    n_compartments: int
    n_synapses: int
    n_spikes: int
    n_events: int
    tstop: float  # ms simulated
    n_steps: int
    setup_seconds: float
    compile_seconds: float
    run_seconds: float
    peak_memory_mb: float
    stages: dict[str, float] = field(default_factory=dict)
    started: str = ""

    @property
    def seconds_per_second(self) -> float:
        """Wall-clock seconds per simulated second."""
        return self.run_seconds / (1e-3 * self.tstop) if self.tstop else 0.0

    @property
    def ns_per_compartment_step(self) -> float:
        steps = self.n_compartments * self.n_steps
        return 1e9 * self.run_seconds / steps if steps else 0.0

    def facts(self) -> dict[str, Any]:
        """What provenance.json keeps: every field, and the two speeds for other readers."""
        speeds = ("seconds_per_second", "ns_per_compartment_step")
        return asdict(self) | {name: getattr(self, name) for name in speeds}


def summary_from(facts: Any) -> Summary | None:
    """The summary that provenance.json holds; None where there is none, or not a whole one."""
    if not isinstance(facts, Mapping):
        return None
    try:
        return Summary(**{f.name: facts[f.name] for f in fields(Summary)})
    except KeyError:
        return None


class Stopwatch:
    """Seconds of wall-clock by stage. A stage may come back, as in a loop."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What has passed since the last lap was spent on ``stage``."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
