"""Current clamps: steps, and waveforms from tables and from sweeps of recordings."""

from __future__ import annotations

from typing import Any

import numpy as np

from isocortex.arrays import FloatArray
from isocortex.circuit import CurrentInput, Input
from isocortex.circuit.signals import Course, Pulses, Signal, Waveform
from isocortex.errors import InputError
from isocortex.sonata.input_entry import Entry
from isocortex.sonata.nwb import read_sweep
from isocortex.sonata.tables import read_table

#: Where ranged electrodes may be.
SECTION_TYPES = ("soma", "dend", "apic", "axon")


def electrode(entry: Entry, signal: Signal, voltage: Course | None = None) -> list[Input]:
    """One input per population, at the place the entry names."""
    drawn: dict[str, Any] = {}
    index = entry.values.get("section_index", 0)
    if isinstance(index, list):
        drawn = _range_of_electrode(entry)
        index = 0
        section = "soma"
    else:
        section = entry.values.get("section_name", "soma")
    if section not in SECTION_TYPES:
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
        CurrentInput(population, rows, signal, voltage, name=entry.name, section_name=section,
                     section_index=index, section_pos=position, **drawn)
        for population, rows in chosen if len(rows)
    ]  # fmt: skip
    if not found:
        raise entry.fail("node_set", "no simulated cell is in it", "Choose one or more cells.")
    return list(found)


def _range_of_electrode(entry: Entry) -> dict[str, Any]:
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


def pulses(entry: Entry) -> list[Input]:
    """Steps of current."""
    entry.only("amp", "delay", "duration", "section_name", "section_index", "section_dist")
    amp, delay, duration = (entry.numbers(k) for k in ("amp", "delay", "duration"))
    if not len(amp) == len(delay) == len(duration):
        raise entry.fail("amp", "amp, delay and duration must have the same length")
    if (delay < 0).any() or (duration < 0).any():
        key = "delay" if (delay < 0).any() else "duration"
        raise entry.fail(key, "must not be negative", "Times are ms from the start.")
    return electrode(entry, Pulses(amp, delay, duration))


def waveform(entry: Entry) -> list[Input]:
    """A current from a table."""
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
    return electrode(entry, Waveform(_as_played(times), amps))


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


def sweep(entry: Entry) -> list[Input]:
    """The stimulus of a sweep of the Allen Cell Types Database, as BMTK plays it.

    The samples are played from 0 ms on, whatever ``delay`` is: before it there is no current. The
    last sample is held for a thousand times the sweep's length.
    """
    entry.only(
        "file", "input_file", "sweep_id", "downsample", "sweep_window", "delay",
        "section_name", "section_index", "section_dist",
    )  # fmt: skip
    amps, interval = read_sweep(entry.path("file", "input_file"), _name_of_sweep(entry))
    times = np.arange(len(amps)) * interval
    if entry.values.get("downsample") is not None:
        wanted = entry.number("downsample")
        if wanted > interval:
            stride = round(wanted / interval)
            amps, times, interval = amps[::stride], times[::stride], wanted
    if entry.values.get("sweep_window") is not None:
        window = entry.numbers("sweep_window")
        if len(window) != 2 or not 0 <= window[0] < window[1]:
            raise entry.fail(
                "sweep_window", f"must be [from, to] in ms, found {window.tolist()}", "Mend it."
            )
        inside = (times >= window[0]) & (times <= window[1])
        if not inside.any():
            raise entry.fail(
                "sweep_window", f"has no sample of a sweep of {times[-1]:g} ms", "Move it."
            )
        amps = amps[inside]
    delay = entry.number("delay", 0.0)
    if delay < 0:
        raise entry.fail("delay", "must not be negative", "Times are ms from the start.")
    return electrode(entry, _let_through(amps, interval, delay))


def _name_of_sweep(entry: Entry) -> str:
    """``Sweep_55`` for 55, as a number or a text."""
    name = entry.values.get("sweep_id")
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    if isinstance(name, bool) or not isinstance(name, int | str) or name == "":
        raise entry.fail("sweep_id", f"must be a sweep's number or name, found {name!r}", "Add it.")
    text = str(name).strip()
    return f"Sweep_{int(text)}" if text.isdecimal() and text.isascii() else text


def _let_through(amps: FloatArray, interval: float, delay: float) -> Waveform:
    """Evenly spaced samples that an electrode lets through from ``delay`` on."""
    times = np.cumsum(np.r_[0.0, np.full(len(amps) - 1, interval)])
    end = delay + len(amps) * interval * 1000.0
    if delay > 0:
        begun = amps[np.searchsorted(times, delay, side="right") - 1]
        later = times > delay
        times, amps = np.r_[delay, times[later]], np.r_[begun, amps[later]]
    return Waveform(np.r_[times, end], np.r_[amps, 0.0])
