"""The ``inputs`` of a simulation configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from isocortex.arrays import IntArray
from isocortex.circuit import (
    Circuit,
    CurrentInput,
    Fluctuation,
    Input,
    NodePopulation,
    PoissonInput,
)
from isocortex.circuit.columns import present, take
from isocortex.errors import ConfigError, located
from isocortex.sonata.clamps import (
    linear,
    noise,
    ornstein_uhlenbeck,
    pulse_train,
    shot_noise,
    sine,
    voltage_clamp,
)
from isocortex.sonata.electrodes import pulses, sweep, waveform
from isocortex.sonata.fields import comsol, xstim
from isocortex.sonata.input_entry import LARGEST, Entry
from isocortex.sonata.probes import probe
from isocortex.sonata.replay import replay
from isocortex.sonata.spikes_in import (
    of_trains,
    poisson_inputs,
    read_csv_spikes,
    read_h5_spikes,
    read_nwb_spikes,
)
from isocortex.sonata.spontaneous import SYN_ACTIVITY, spontaneous
from isocortex.sonata.told import During, SpikesFunction, spikes_said
from isocortex.text import finite

#: What the fluctuation of Poisson rates needs.
NUMBERS = ("sigma", "tau")


def _h5(entry: Entry) -> list[Input]:
    entry.only("input_file", "file", "source")
    path = entry.path("input_file", "file")
    return list(read_h5_spikes(path, entry.virtual(), entry.circuit.nodes, any_name=True))


def _csv(entry: Entry) -> list[Input]:
    entry.only("input_file", "file")
    path = entry.path("input_file", "file")
    return list(read_csv_spikes(path, entry.virtual(), entry.circuit.nodes, any_name=True))


def _nwb(entry: Entry) -> list[Input]:
    entry.only("input_file", "file", "trial")
    trial = entry.values.get("trial")
    if trial is not None and not isinstance(trial, str):
        raise entry.fail("trial", f"must be the name of a trial, found {trial!r}")
    return list(read_nwb_spikes(entry.path("input_file", "file"), entry.virtual(), trial))


def _function(entry: Entry) -> list[Input]:
    entry.only("spikes_function")
    name = entry.values.get("spikes_function")
    function = entry.functions.get(name) if isinstance(name, str) else None
    if function is None:
        there = f" It has {', '.join(entry.functions)}." if entry.functions else ""
        raise entry.fail(
            "spikes_function", f"no script has a function {name!r}",
            "Run the script that has it, with `isocortex.bmtk` in its imports, and decorate it by "
            f"@spikes_generator.{there}",
        )  # fmt: skip
    during = During(entry.dt, entry.tstop)
    where: dict[str, Any] = {
        "file": entry.file, "field": f"inputs.{entry.name}.spikes_function", "fix": "Mend it."
    }  # fmt: skip
    return [
        of_trains(nodes, rows, spikes_said(function, nodes, rows, during, where))
        for nodes, rows in entry.virtual()
    ]


def _poisson(entry: Entry) -> list[Input]:
    entry.only("firing_rate", "t_start", "t_stop", "seed", "fluctuation")
    rate = entry.values.get("firing_rate")
    rate = rate if isinstance(rate, str) else entry.number("firing_rate")
    seed = entry.whole("seed", entry.seed)
    start, stop = entry.number("t_start", 0.0), entry.number("t_stop", entry.tstop)
    if start < 0:
        raise entry.fail("t_start", f"must be 0 ms or more, found {start:g}")
    stop = min(stop, entry.tstop)
    key = f"{seed}:{entry.name}"
    made = poisson_inputs(entry.virtual(), rate, start, stop, key, entry.file)
    course = entry.values.get("fluctuation")
    if course is None:
        return list(made)
    return [replace(given, fluctuation=_fluctuation(entry, course, given, key)) for given in made]


def _fluctuation(entry: Entry, course: Any, given: PoissonInput, key: str) -> Fluctuation:
    """What ``{"sigma": 0.5, "tau": 50.0, "shared_by": ["area"]}`` says of some trains."""
    if not isinstance(course, dict) or not set(NUMBERS) <= set(course) <= {*NUMBERS, "shared_by"}:
        raise entry.fail(
            "fluctuation", f"needs sigma and tau (ms), and may have shared_by, found {course!r}",
            'Write {"sigma": 0.5, "tau": 50.0, "shared_by": ["area"]}.',
        )  # fmt: skip
    sigma, tau = (_above_zero(entry, f"fluctuation.{name}", course[name]) for name in NUMBERS)
    population = entry.circuit.nodes[given.population]
    by = _shared_by(entry, course.get("shared_by", []), population, given.rows)
    return Fluctuation.shared(sigma, tau, by, population, given.rows, key)


def _above_zero(entry: Entry, field: str, given: Any) -> float:
    value = finite(given)
    if value is None or not 0.0 < value < LARGEST:
        raise entry.fail(field, f"must be above 0, found {given!r}")
    return value


def _shared_by(entry: Entry, given: Any, population: NodePopulation, rows: IntArray) -> list[str]:
    """Names of attributes, of which each of some nodes has one value."""
    field = "fluctuation.shared_by"
    by = [given] if isinstance(given, str) else given
    if not isinstance(by, list) or not all(isinstance(name, str) for name in by):
        raise entry.fail(
            field, f"must be an attribute of nodes or a list of them, found {given!r}",
            'Write "area" or ["area", "layer"].',
        )  # fmt: skip
    for name in by:
        column = population.columns.get(name)
        if column is None:
            raise entry.fail(
                field, f"{population.name!r} has no attribute {name!r}",
                f"It has {', '.join(sorted(population.columns))}.",
            )  # fmt: skip
        without = rows[~present(take(column, rows))]
        if len(without):
            raise entry.fail(
                field, f"node {population.node_ids[without[0]]} of {population.name!r} has no "
                f"value of {name!r}", "Give it one, or choose nodes that have one by node_set.",
            )  # fmt: skip
    return by


READERS: dict[tuple[str, str], Callable[[Entry], list[Input]]] = {
    ("spikes", "sonata"): _h5,
    ("spikes", "h5"): _h5,
    ("spikes", "hdf5"): _h5,
    ("spikes", "csv"): _csv,
    ("spikes", "nwb"): _nwb,
    ("spikes", "poisson"): _poisson,
    ("spikes", "function"): _function,
    ("current_clamp", "iclamp"): pulses,
    ("csv", "iclamp"): waveform,
    ("file", "iclamp"): waveform,
    ("current_clamp", "csv"): waveform,
    ("nwb", "iclamp"): sweep,
    ("allen", "iclamp"): sweep,
    ("current_clamp", "linear"): linear,
    ("current_clamp", "pulse"): pulse_train,
    ("current_clamp", "sinusoidal"): sine,
    ("current_clamp", "noise"): noise,
    ("current_clamp", "shot_noise"): shot_noise,
    ("current_clamp", "ornstein_uhlenbeck"): ornstein_uhlenbeck,
    ("conductance", "shot_noise"): shot_noise,
    ("conductance", "ornstein_uhlenbeck"): ornstein_uhlenbeck,
}
#: Of these the module alone counts, as in BMTK.
BY_MODULE: dict[str, Callable[[Entry], list[Input]]] = {
    "ecephys_probe": probe,
    "seclamp": voltage_clamp,
    "xstim": xstim,
    "comsol": comsol,
}
#: Inputs that also make connections: given a circuit, they return the one with these. Their module
#: says so; BMTK goes by it for a replay, and by the input_type for synapses that act.
WIRING: dict[str, Callable[[Entry, Circuit], tuple[list[Input], Circuit]]] = {
    SYN_ACTIVITY: spontaneous,
    "replay": replay,
}


def read_inputs(
    inputs: dict[str, Any],
    file: Path,
    circuit: Circuit,
    tstop: float,
    seed: int,
    dt: float,
    functions: Mapping[str, SpikesFunction],
) -> tuple[list[Input], Circuit]:
    """Read every input; an unknown one stops, none is ignored.

    Returns
    -------
    The inputs, and the circuit with the nodes and edges that they bring with them.
    """
    found: list[Input] = []
    wired = circuit
    acting: str | None = None
    for name, values in inputs.items():
        field = f"inputs.{name}"
        if not isinstance(values, dict):
            raise ConfigError("must be a JSON object", file=file, field=field)
        enabled = values.get("enabled", True)
        if not isinstance(enabled, bool):
            raise ConfigError(
                "must be true or false", file=file, field=f"{field}.enabled", fix="Mend it."
            )
        if not enabled:
            continue
        entry = Entry(name, values, file, circuit, tstop, seed, dt, functions)
        kind = str(values.get("input_type")), str(values.get("module")).lower()
        if kind[1] == SYN_ACTIVITY:
            if acting is not None:
                raise ConfigError(
                    f"there may be one {SYN_ACTIVITY}, and inputs.{acting} is one; BMTK takes the "
                    "last", file=file, field=field, fix="Remove or disable one of the two.",
                )  # fmt: skip
            acting = name
        if kind[1] in WIRING:
            made, wired = WIRING[kind[1]](entry, wired)
            found += made
        elif kind[1] in BY_MODULE:
            found += BY_MODULE[kind[1]](entry)
        elif kind in READERS:
            found += READERS[kind](entry)
        else:
            known = ", ".join([*(f"{a}/{b}" for a, b in READERS), *BY_MODULE, *WIRING])
            raise ConfigError(
                f"input_type {values.get('input_type')!r} with module {values.get('module')!r} is "
                "not supported yet", file=file, field=field, fix=f"There are {known}.",
            )  # fmt: skip
    _require_known_voltage(found, file)
    return found, wired


def _require_known_voltage(inputs: list[Input], file: Path) -> None:
    """Refuse electrodes that go by the voltage inside, where a field makes that another."""
    for made in inputs:
        if isinstance(made, CurrentInput):
            with located(file, f"inputs.{made.name}"):
                made.require_known_voltage(inputs)
