"""Electrodes with courses, in SONATA's words: ramps, sines, noise, conductances, voltage clamps."""

from __future__ import annotations

import logging
import math

from isocortex.circuit import Input
from isocortex.circuit.signals import (
    MOST_EVENTS,
    SAMPLE,
    Noise,
    OrnsteinUhlenbeck,
    Ramp,
    ShotNoise,
    Sine,
    Train,
    held,
)
from isocortex.sonata.electrodes import electrode
from isocortex.sonata.input_entry import Entry

logger = logging.getLogger(__name__)

#: Where an electrode is, of every input that has one, and what is said of it.
PLACE = ("section_name", "section_index", "section_dist", "represents_physical_electrode")
#: ms that each sample of independent noise holds for.
NOISE_SAMPLE = 0.5


def _times(entry: Entry) -> tuple[float, float]:
    """When a course begins and how long it lasts, ms."""
    delay, duration = entry.number("delay", 0.0), entry.number("duration")
    for key, value in (("delay", delay), ("duration", duration)):
        if value < 0:
            raise entry.fail(key, f"must not be negative, found {value:g}", "Times are ms.")
    return delay, duration


def _above(entry: Entry, key: str, default: float | None = None) -> float:
    value = entry.number(key, default)
    if not value > 0:
        raise entry.fail(key, f"must be above 0, found {value:g}")
    return value


def linear(entry: Entry) -> list[Input]:
    """A current that goes from one value to another."""
    entry.only("delay", "duration", "amp_start", "amp_end", *PLACE)
    delay, duration = _times(entry)
    first = entry.number("amp_start")
    last = entry.number("amp_end", first)
    return electrode(entry, Ramp(first, last, delay, duration))


def sine(entry: Entry) -> list[Input]:
    """A sine of a frequency."""
    entry.only("delay", "duration", "amp_start", "frequency", "dt", *PLACE)
    delay, duration = _times(entry)
    wave = Sine(entry.number("amp_start"), _above(entry, "frequency"), delay, duration)
    return electrode(entry, wave)


def pulse_train(entry: Entry) -> list[Input]:
    """Pulses at a frequency."""
    entry.only("delay", "duration", "amp_start", "width", "frequency", *PLACE)
    delay, duration = _times(entry)
    width, interval = _above(entry, "width"), 1e3 / _above(entry, "frequency")
    if width > interval:
        raise entry.fail(
            "width", f"must be at most {interval:g} ms at this frequency, found {width:g}",
            "Or give current_clamp/linear for a current that does not end.",
        )  # fmt: skip
    train = Train(entry.number("amp_start"), width, interval, delay, duration)
    return electrode(entry, train)


def noise(entry: Entry) -> list[Input]:
    """Independent samples of 0.5 ms."""
    entry.only("delay", "duration", "mean", "variance", *PLACE)
    variance = entry.number("variance")
    if variance < 0:
        raise entry.fail("variance", f"must not be negative, found {variance:g}")
    white = OrnsteinUhlenbeck(entry.number("mean"), math.sqrt(variance), 0.0)
    return _random(entry, white, NOISE_SAMPLE)


def ornstein_uhlenbeck(entry: Entry) -> list[Input]:
    """Noise with a correlation time, as a current or a conductance."""
    entry.only("delay", "duration", "mean", "sigma", "tau", "reversal", "dt", "random_seed", *PLACE)
    tau = entry.number("tau")
    if tau < 0:
        raise entry.fail("tau", f"must not be negative, found {tau:g}")
    process = OrnsteinUhlenbeck(entry.number("mean"), _above(entry, "sigma"), tau)
    return _random(entry, process, _above(entry, "dt", SAMPLE))


def shot_noise(entry: Entry) -> list[Input]:
    """Random events that rise and decay, as a current or a conductance."""
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
    process = ShotNoise(rise, decay, rate, _above(entry, "amp_mean"), variance)
    return _random(entry, process, dt)


def _random(entry: Entry, process: OrnsteinUhlenbeck | ShotNoise, dt: float) -> list[Input]:
    """A random current, or a conductance, of every chosen cell its own."""
    delay, duration = _times(entry)
    noise = Noise(process, delay, duration, dt, entry.whole("random_seed", entry.seed))
    if entry.values.get("input_type") == "conductance":
        return electrode(entry, noise, held(entry.number("reversal", 0.0), delay, duration))
    if "reversal" in entry.values and entry.number("reversal") != 0:
        logger.warning("%s: inputs.%s.reversal is of conductances, and this is a current",
                       entry.file, entry.name)  # fmt: skip
    return electrode(entry, noise)


def voltage_clamp(entry: Entry) -> list[Input]:
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
    conductance = held(1.0 / resistance, delay, duration)
    return electrode(entry, conductance, held(voltage, delay, duration))
