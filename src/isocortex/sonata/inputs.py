"""The ``inputs`` of a simulation configuration."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.circuit import (
    Circuit,
    Clamp,
    Courses,
    CurrentInput,
    Input,
)
from isocortex.circuit.signals import OrnsteinUhlenbeck, Pulses, Ramp, ShotNoise, Sine
from isocortex.errors import ConfigError, InputError
from isocortex.sonata.schema import COMMENTS
from isocortex.sonata.spikes_in import (
    poisson_inputs,
    read_csv_spikes,
    read_h5_spikes,
    read_nwb_spikes,
)
from isocortex.sonata.tables import read_table
from isocortex.text import finite

logger = logging.getLogger(__name__)

#: Where ranged electrodes may be.
SECTION_TYPES = ("soma", "dend", "apic", "axon")
#: No quantity of an input is as large as this.
LARGEST = 1e15
#: Hz times ms: events of a sample of shot noise, a thousand times.
MOST_EVENTS = 1e5


@dataclass(frozen=True)
class _Entry:
    """One input, with what its reader may need to know."""

    name: str
    values: dict[str, Any]
    file: Path
    circuit: Circuit
    tstop: float
    seed: int

    def fail(self, key: str, message: str, fix: str | None = None) -> ConfigError:
        return ConfigError(message, file=self.file, field=f"inputs.{self.name}.{key}", fix=fix)

    def number(self, key: str, default: float | None = None) -> float:
        given = self.values.get(key, default)
        value = finite(given)
        if value is None or not abs(value) < LARGEST:
            raise self.fail(key, f"must be a number, found {given!r}")
        return value

    def whole(self, key: str, default: int) -> int:
        value = self.values.get(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"must be a whole number, found {value!r}", "Mend it.")
        return value

    def numbers(self, key: str) -> np.ndarray:
        value = self.values.get(key)
        values = value if isinstance(value, list) else [value]
        try:
            if any(isinstance(v, bool | str) for v in values):
                raise TypeError
            array = np.array(values, float)
        except (TypeError, ValueError, OverflowError):
            raise self.fail(key, f"must be a number or a list, found {value!r}") from None
        if array.ndim != 1 or not np.isfinite(array).all():
            raise self.fail(key, f"must be a finite number or a list, found {value!r}")
        return array

    def path(self, *keys: str) -> Path:
        for key in keys:
            if isinstance(self.values.get(key), str):
                return self.file.parent / self.values[key]
        raise self.fail(keys[0], "must be the path of a file", "Add it.")

    def chosen(self) -> list:
        selected = self.circuit.select(
            self.values.get("node_set", "all"), f"inputs.{self.name}.node_set"
        )
        return [(self.circuit.nodes[name], rows) for name, rows in selected]

    def virtual(self) -> list:
        """The chosen virtual nodes: others make their own spikes, as in BMTK."""
        chosen = []
        for population, rows in self.chosen():
            mine = rows[population.virtual[rows]]
            if len(mine):
                chosen.append((population, mine))
        if not chosen:
            raise self.fail("node_set", "has no virtual nodes", "Name a virtual population.")
        return chosen

    def only(self, *keys: str) -> None:
        """Every key must be one of these: nothing is ignored."""
        known = ("input_type", "module", "node_set", "enabled", *keys)
        gids = self.values.get("gids")
        if gids is not None:  # BMTK's environment builder writes it, and BioNet does not read it
            known = (*known, "gids")
            if gids != "all":
                logger.warning(
                    "%s: inputs.%s.gids is not read, here as in BMTK: node_set says which cells",
                    self.file, self.name,
                )  # fmt: skip
        unknown = [k for k in self.values if k not in (*known, *COMMENTS)]
        if unknown:
            close = difflib.get_close_matches(unknown[0], known, 1)
            fix = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
            raise self.fail(unknown[0], "unknown key", fix)


def _h5(entry: _Entry) -> list[Input]:
    entry.only("input_file", "file", "source")
    path = entry.path("input_file", "file")
    return list(read_h5_spikes(path, entry.virtual(), entry.circuit.nodes))


def _csv(entry: _Entry) -> list[Input]:
    entry.only("input_file", "file")
    path = entry.path("input_file", "file")
    return list(read_csv_spikes(path, entry.virtual(), entry.circuit.nodes))


def _nwb(entry: _Entry) -> list[Input]:
    entry.only("input_file", "file", "trial")
    trial = entry.values.get("trial")
    if trial is not None and not isinstance(trial, str):
        raise entry.fail("trial", f"must be the name of a trial, found {trial!r}")
    return list(read_nwb_spikes(entry.path("input_file", "file"), entry.virtual(), trial))


def _poisson(entry: _Entry) -> list[Input]:
    entry.only("firing_rate", "t_start", "t_stop", "seed")
    rate = entry.values.get("firing_rate")
    rate = rate if isinstance(rate, str) else entry.number("firing_rate")
    seed = entry.whole("seed", entry.seed)
    start, stop = entry.number("t_start", 0.0), entry.number("t_stop", entry.tstop)
    if start < 0:
        raise entry.fail("t_start", f"must be 0 ms or more, found {start:g}")
    stop = min(stop, entry.tstop)
    key = f"{seed}:{entry.name}"
    return list(poisson_inputs(entry.virtual(), rate, start, stop, key, entry.file))


def _electrode(entry: _Entry, **what: Any) -> list[Input]:
    """One input per population, at the place the entry names."""
    index = entry.values.get("section_index", 0)
    if isinstance(index, list):
        what |= _range_of_electrode(entry)
        index = 0
        section = "soma"
    else:
        section = entry.values.get("section_name", "soma")
    if section not in ("soma", "dend", "apic", "axon"):
        raise entry.fail(
            "section_name", f"unknown section {section!r}", "Use soma, dend, apic or axon."
        )
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise entry.fail("section_index", f"must be an index, found {index!r}")
    position = entry.number("section_dist", 0.5)
    if not 0 <= position <= 1:
        raise entry.fail("section_dist", f"must lie in 0..1, found {position:g}")
    # BMTK puts no electrodes into virtual nodes
    chosen = [(p.name, rows[~p.virtual[rows]]) for p, rows in entry.chosen()]
    found = [
        CurrentInput(population, rows, name=entry.name, section_name=section, section_index=index,
                     section_pos=position, **what)
        for population, rows in chosen if len(rows)
    ]  # fmt: skip
    if not found:
        raise entry.fail("node_set", "no simulated cell is in it", "Choose one or more cells.")
    return list(found)


def _range_of_electrode(entry: _Entry) -> dict[str, Any]:
    """BMTK's other way to place an electrode: somewhere at a distance from the soma."""
    bounds = entry.numbers("section_index")
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise entry.fail(
            "section_index", f"must be an index or [from, to] in um, found {bounds.tolist()}"
        )
    names = entry.values.get("section_name", "soma")
    names = names if isinstance(names, list) else [names]
    unknown = [name for name in names if name not in SECTION_TYPES]
    if unknown or not names:
        raise entry.fail(
            "section_name", f"unknown section {unknown[0] if unknown else ''!r}",
            f"Use one or more of {', '.join(SECTION_TYPES)}.",
        )  # fmt: skip
    return {"section_types": tuple(names), "distance_range": (float(bounds[0]), float(bounds[1]))}


def _pulses(entry: _Entry) -> list[Input]:
    entry.only("amp", "delay", "duration", "section_name", "section_index", "section_dist")
    amp, delay, duration = (entry.numbers(k) for k in ("amp", "delay", "duration"))
    if not len(amp) == len(delay) == len(duration):
        raise entry.fail("amp", "amp, delay and duration must have the same length")
    if (delay < 0).any() or (duration < 0).any():
        key = "delay" if (delay < 0).any() else "duration"
        raise entry.fail(key, "must not be negative", "Times are ms from the start.")
    return _electrode(entry, amp=amp, delay=delay, duration=duration)


def _waveform(entry: _Entry) -> list[Input]:
    entry.only(
        "file", "input_file", "separator", "timestamps_column", "amplitudes_column",
        "section_name", "section_index", "section_dist",
    )  # fmt: skip
    path = entry.path("file", "input_file")
    names = [entry.values.get("timestamps_column", "timestamps"),
             entry.values.get("amplitudes_column", "amps")]  # fmt: skip
    separator = entry.values.get("separator")
    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise entry.fail("separator", f"must be one character, found {separator!r}")
    table = read_table(path, separator)
    fix = "Or set timestamps_column and amplitudes_column."
    times, amps = (table.numbers(table.find(str(name), fix=fix)) for name in names)
    if len(times) < 2 or (np.diff(times) <= 0).any():
        raise InputError("needs two or more increasing times", file=path, field=str(names[0]))
    if times[0] < 0:
        raise InputError("a current cannot begin before t = 0", file=path, field=str(names[0]))
    if amps[-1] != 0:  # held for one more interval, as BMTK does
        times, amps = np.r_[times, times[-1] + (times[1] - times[0])], np.r_[amps, 0.0]
    return _electrode(entry, waveform=(_as_played(times), amps))


def _as_played(times: FloatArray) -> FloatArray:
    """Evenly spaced times as NEURON counts them: every one is the last plus the interval.

    It decides in which step a sample acts that is due half-way through one. BMTK takes the smallest
    difference for the interval, and begins at 0 where the first time is 0 or one interval.
    """
    interval = np.diff(times).min()
    even = np.allclose(np.diff(times), interval, rtol=1e-6, atol=0.0)
    if not even or times[0] not in (0.0, interval):
        return times
    return np.cumsum(np.r_[times[0], np.full(len(times) - 1, interval)])


#: Where an electrode is, of every input that has one, and what is said of it.
PLACE = ("section_name", "section_index", "section_dist", "represents_physical_electrode")
#: ms that each sample of a random course holds for, where nothing is said.
SAMPLE, NOISE_SAMPLE = 0.25, 0.5


def _times(entry: _Entry) -> tuple[float, float]:
    """When a course begins and how long it lasts, ms."""
    delay, duration = entry.number("delay", 0.0), entry.number("duration")
    for key, value in (("delay", delay), ("duration", duration)):
        if value < 0:
            raise entry.fail(key, f"must not be negative, found {value:g}", "Times are ms.")
    return delay, duration


def _above(entry: _Entry, key: str, default: float | None = None) -> float:
    value = entry.number(key, default)
    if not value > 0:
        raise entry.fail(key, f"must be above 0, found {value:g}")
    return value


def _linear(entry: _Entry) -> list[Input]:
    entry.only("delay", "duration", "amp_start", "amp_end", *PLACE)
    delay, duration = _times(entry)
    first = entry.number("amp_start")
    last = entry.number("amp_end", first)
    return _electrode(entry, signal=Courses(Ramp(first, last, delay, max(duration, 1e-9))))


def _sine(entry: _Entry) -> list[Input]:
    entry.only("delay", "duration", "amp_start", "frequency", "dt", *PLACE)
    delay, duration = _times(entry)
    wave = Sine(entry.number("amp_start"), _above(entry, "frequency"), delay, duration)
    return _electrode(entry, signal=Courses(wave))


def _pulse_train(entry: _Entry) -> list[Input]:
    entry.only("delay", "duration", "amp_start", "width", "frequency", *PLACE)
    delay, duration = _times(entry)
    width, interval = _above(entry, "width"), 1e3 / _above(entry, "frequency")
    end = min(delay + duration, entry.tstop)
    begin = delay + interval * np.arange(max(int(np.ceil((end - delay) / interval)), 0))
    lasts = np.minimum(width, delay + duration - begin)
    amp = np.full(len(begin), entry.number("amp_start"))
    return _electrode(entry, amp=amp, delay=begin, duration=lasts)


def _noise(entry: _Entry) -> list[Input]:
    entry.only("delay", "duration", "mean", "variance", *PLACE)
    variance = entry.number("variance")
    if variance < 0:
        raise entry.fail("variance", f"must not be negative, found {variance:g}")
    white = OrnsteinUhlenbeck(entry.number("mean"), variance**0.5, 0.0)
    return _random(entry, white, NOISE_SAMPLE)


def _ornstein_uhlenbeck(entry: _Entry) -> list[Input]:
    entry.only("delay", "duration", "mean", "sigma", "tau", "reversal", "dt", "random_seed", *PLACE)
    tau = entry.number("tau")
    if tau < 0:
        raise entry.fail("tau", f"must not be negative, found {tau:g}")
    noise = OrnsteinUhlenbeck(entry.number("mean"), _above(entry, "sigma"), tau)
    return _random(entry, noise, _above(entry, "dt", SAMPLE))


def _shot_noise(entry: _Entry) -> list[Input]:
    entry.only(
        "delay", "duration", "rise_time", "decay_time", "rate", "amp_mean", "amp_var", "reversal",
        "dt", "random_seed", *PLACE,
    )  # fmt: skip
    rise, decay = _above(entry, "rise_time"), _above(entry, "decay_time")
    if rise >= decay:
        raise entry.fail("rise_time", f"must be shorter than decay_time, found {rise:g} ms")
    variance, dt = entry.number("amp_var"), _above(entry, "dt", SAMPLE)
    if variance < 0:
        raise entry.fail("amp_var", f"must not be negative, found {variance:g}")
    rate = _above(entry, "rate")
    if rate * dt > MOST_EVENTS:
        raise entry.fail("rate", f"must be at most {MOST_EVENTS / dt:g} Hz, found {rate:g}")
    noise = ShotNoise(rise, decay, rate, _above(entry, "amp_mean"), variance)
    return _random(entry, noise, dt)


def _random(entry: _Entry, noise: OrnsteinUhlenbeck | ShotNoise, dt: float) -> list[Input]:
    """A random current, or a conductance, of every chosen cell its own."""
    seed = entry.whole("random_seed", entry.seed)
    plan = Courses(noise, *_times(entry), dt, seed)
    if entry.values.get("input_type") != "conductance":
        if "reversal" in entry.values and entry.number("reversal") != 0:
            logger.warning("%s: inputs.%s.reversal is of conductances, and this is a current",
                           entry.file, entry.name)  # fmt: skip
        return _electrode(entry, signal=plan)
    delay, duration = _times(entry)
    return _electrode(
        entry, clamp=Clamp(plan, _held(entry.number("reversal", 0.0), delay, duration))
    )


def _held(value: float, delay: float, duration: float) -> Pulses:
    """A value from a time on and for so long."""
    return Pulses(np.array([value]), np.array([delay]), np.array([duration]))


def _voltage_clamp(entry: _Entry) -> list[Input]:
    """A single electrode that pulls to a voltage through a resistance, NEURON's SEClamp.

    In SONATA's words or in BMTK's (``amp``, ``resistance``).
    """
    if "amp" in entry.values:
        entry.only("delay", "duration", "amp", "resistance", "vc", *PLACE)
        voltage, resistance = entry.number("amp"), _above(entry, "resistance", 1.0)
    else:
        entry.only("delay", "duration", "voltage", "series_resistance", *PLACE)
        voltage, resistance = entry.number("voltage"), _above(entry, "series_resistance", 0.01)
    delay, duration = _times(entry)
    clamp = Clamp(
        Courses(_held(1.0 / resistance, delay, duration)), _held(voltage, delay, duration)
    )
    return _electrode(entry, clamp=clamp)


READERS: dict[tuple[str, str], Callable[[_Entry], list[Input]]] = {
    ("spikes", "sonata"): _h5,
    ("spikes", "h5"): _h5,
    ("spikes", "hdf5"): _h5,
    ("spikes", "csv"): _csv,
    ("spikes", "nwb"): _nwb,
    ("spikes", "poisson"): _poisson,
    ("current_clamp", "iclamp"): _pulses,
    ("csv", "iclamp"): _waveform,
    ("file", "iclamp"): _waveform,
    ("current_clamp", "csv"): _waveform,
    ("current_clamp", "linear"): _linear,
    ("current_clamp", "pulse"): _pulse_train,
    ("current_clamp", "sinusoidal"): _sine,
    ("current_clamp", "noise"): _noise,
    ("current_clamp", "shot_noise"): _shot_noise,
    ("current_clamp", "ornstein_uhlenbeck"): _ornstein_uhlenbeck,
    ("conductance", "shot_noise"): _shot_noise,
    ("conductance", "ornstein_uhlenbeck"): _ornstein_uhlenbeck,
    ("voltage_clamp", "seclamp"): _voltage_clamp,
}


def read_inputs(
    inputs: dict[str, Any], file: Path, circuit: Circuit, tstop: float, seed: int
) -> list[Input]:
    """Read every input; an unknown one stops, none is ignored."""
    found: list[Input] = []
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
        kind = str(values.get("input_type")), str(values.get("module")).lower()
        if kind not in READERS:
            known = ", ".join(f"{a}/{b}" for a, b in READERS)
            raise ConfigError(
                f"input_type {values.get('input_type')!r} with module {values.get('module')!r} is "
                "not supported yet", file=file, field=field, fix=f"There are {known}.",
            )  # fmt: skip
        found += READERS[kind](_Entry(name, values, file, circuit, tstop, seed))
    return found
