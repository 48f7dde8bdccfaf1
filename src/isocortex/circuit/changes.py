"""Changes to a circuit, as plain data: what is done to whom, from when, until when.

A change is a function from a simulation to a simulation (:func:`isocortex.circuit.force.in_force`)
that can be written down: :meth:`as_json` is its entry in a configuration. It says nothing of files
or recipes, of stored or drawn synapses, of threads or ranks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, ClassVar

from isocortex.cells.change import Assignment, MembraneChange, parse
from isocortex.circuit.signals import MOST_EVENTS, SAMPLE
from isocortex.errors import ConfigError, located
from isocortex.mechanisms.synapses import Pace

#: The section of a configuration that is ours alone, and its list of changes.
OURS, CHANGES = "isocortex", "changes"
#: What is said of synapses that a change is about and that are not stored.
UNCOUNTED = "synapses that are drawn at each spike and not counted"
#: Why delays do not change on the way: spikes under way are known by when they arrive, not by
#: synapses.
STEADY = "delays cannot change on the way: spikes under way would be lost or come twice"


def is_number(value: Any) -> bool:
    """Whether it is one, NaN and infinity among them; true and false are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; true and false are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, str) for v in value)


def _are_by_parameter(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        is_number(v) and math.isfinite(v) for v in value.values()
    )


#: By the type of a field what its values must be, and what that is for people.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "float": (is_number, "a number"),
    "int": (is_whole, "a whole number"),
    "str": (lambda value: isinstance(value, str), "a text"),
    "tuple[str, ...]": (_are_names, "one or more names"),
    "Mapping[str, float]": (_are_by_parameter, "numbers by parameter, and finite"),
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """Anything that is done to a circuit for some time.

    Attributes
    ----------
    start, stop : ms; it holds in the steps that begin between them, to the nearest step. Without
        ``stop`` it holds until the end.
    name : for people; by default what it is.
    place : where it was read, for messages.
    """

    #: What its entry in a configuration says it is.
    TYPE: ClassVar[str]
    #: Whether the network is built anew where it begins and ends; if not, inputs know their times.
    REBUILDS: ClassVar[bool] = True

    start: float = 0.0
    stop: float | None = None
    name: str = ""
    place: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            kind, _, none = str(item.type).partition(" | ")
            if kind in KINDS and not (none and value is None):
                right, what = KINDS[kind]
                self.require(right(value), item.name, what)
        self.require(math.isfinite(self.start) and self.start >= 0, "start", "0 ms or more")
        later = self.stop is None or (math.isfinite(self.stop) and self.stop > self.start)
        self.require(later, "stop", "later than start, ms")

    def require(self, holds: bool, key: str, what: str) -> None:
        """Refuse a value.

        Raises
        ------
        ConfigError : ``holds`` is not true.
        """
        if not holds:
            value = getattr(self, key)
            raise ConfigError(
                f"must be {what}, found {value!r}", field=key, fix="Choose another value."
            )

    def where(self, number: int) -> str:
        """The field of a configuration that it is, or would be as the n-th change there."""
        return self.place or f"{OURS}.{CHANGES}[{number}]"

    def lasts_at(self, time: float) -> bool:
        """Whether it holds at a time, ms."""
        return self.start <= time and (self.stop is None or self.stop > time)

    @property
    def when(self) -> str:
        """When it holds, for people."""
        begin = f"From {self.start:g} ms" if self.start else "From the beginning"
        return f"{begin} {'on' if self.stop is None else f'to {self.stop:g} ms'}."

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.name or self.TYPE

    def as_json(self) -> dict[str, Any]:
        """Its entry in a configuration: plain data, what is as by default left out."""
        told: dict[str, Any] = {"type": self.TYPE}
        for item in fields(self):
            if item.name == "place":
                continue
            value = getattr(self, item.name)
            if isinstance(value, tuple):
                value = list(value)
            if isinstance(value, Mapping):
                value = dict(value)
            default = {} if item.default_factory is dict else item.default
            if value != default:
                told[item.name] = value
        return told


@dataclass(frozen=True)
class SynapseChange(Change):
    """The synapses from some nodes onto some: weaker, stronger, fewer, slower, faster or later.

    All but the share are factors. What is None stays as it is; one at least is given, be it 1.

    Attributes
    ----------
    source, target : node sets, in any way that :meth:`Circuit.select` takes; None for all nodes.
    weight : factor on the weights, 0 or more. Factors of several changes multiply.
    removed : share of the connections (pairs of nodes) that are gone, 0..1. Which ones is a
        function of the two nodes alone: a larger share has all of a smaller one.
    decay, rise : on the time constants with which their conductances decay and rise, above 0. An
        event of then peaks at its weight as before.
    use : on the share of what is there that a spike releases after a long pause, 0 or more; of
        synapses with short-term plasticity.
    recovery, facilitation : on the times in which depression and facilitation fade, above 0.
    delay : on the delays, above 0.
    """

    TYPE: ClassVar[str] = "synapses"

    source: Any = None
    target: Any = None
    weight: float | None = None
    removed: float | None = None
    decay: float | None = None
    rise: float | None = None
    use: float | None = None
    recovery: float | None = None
    facilitation: float | None = None
    delay: float | None = None

    #: What it may change.
    FACTORS: ClassVar[tuple[str, ...]] = ("weight", *Pace._fields, "delay")

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [key for key in (*self.FACTORS, "removed") if getattr(self, key) is not None]
        if not given:
            raise ConfigError(
                "changes nothing of the synapses",
                fix=f"Give one or more of {', '.join(self.FACTORS)} and removed.",
            )
        self.require(0 <= (self.removed or 0) <= 1, "removed", "a share from 0 to 1")
        for key in self.FACTORS:
            value, zero = self.factor(key), key in ("weight", "use")
            right = math.isfinite(value) and (value > 0 or (zero and value == 0))
            self.require(right, key, "0 or more" if zero else "above 0")
        if self.delay not in (None, 1.0) and (self.start > 0.0 or self.stop is not None):
            raise ConfigError(STEADY, field="delay", fix="Leave start and stop out.")

    def factor(self, key: str) -> float:
        """One of its factors; 1 where it is not given."""
        value = getattr(self, key)
        return 1.0 if value is None else float(value)

    @property
    def pace(self) -> Pace:
        """Its factors on kinetics and release."""
        return Pace(*map(self.factor, Pace._fields))


@dataclass(frozen=True)
class ChannelChange(Change):
    """Parameters of channels, of the leak, of reversal potentials or of the membrane's capacitance.

    Attributes
    ----------
    node_set : of biophysical cells.
    mechanisms : names as fit files and NEURON have them: channels, ``pas`` (``g``, ``e``),
        ``na_ion`` (``ena``), ``k_ion`` (``ek``), ``capacitance`` (``cm``); or an ion, ``na``,
        ``k`` or ``ca``, for all its channels.
    section : ``soma``, ``axon``, ``basal`` or ``apical``; None for all.
    times : by parameter, a factor.
    to : by parameter, a value, in the mechanism's own unit.
    """

    TYPE: ClassVar[str] = "channels"

    node_set: Any = None
    mechanisms: tuple[str, ...] = ()
    section: str | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    to: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        both = set(self.times) & set(self.to)
        self.require(not both, "to", "of other parameters than times")
        self.require(bool(self.times or self.to), "times", "given, or to, for a parameter")
        _ = self.membrane  # refuses what no cell can have

    @property
    def membrane(self) -> MembraneChange:
        """What it assigns, for any cell.

        Raises
        ------
        ConfigError : a section is unknown, or a value or factor cannot be.
        """
        assignments = []
        for name in self.mechanisms:
            for key, operation, values in (("times", "*=", self.times), ("to", "=", self.to)):
                with located(None, key):
                    assignments += [
                        Assignment(name, parameter, operation, float(value))
                        for parameter, value in values.items()
                    ]
        return MembraneChange(tuple(assignments), self.section)


@dataclass(frozen=True)
class ModelChange(Change):
    """Another model for the biophysical cells of a node set, from the beginning to the end.

    Attributes
    ----------
    model : an embedded cell, by its id; or
    node_type : a type of the population's own table, whether or not a node has it.
    """

    TYPE: ClassVar[str] = "model"

    node_set: Any = None
    model: str | None = None
    node_type: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        always = "left out: a cell cannot become another while it runs"
        self.require(self.start == 0.0, "start", always)
        self.require(self.stop is None, "stop", always)
        one = (self.model is None) != (self.node_type is None)
        self.require(one, "model", "given, or node_type in its place")


@dataclass(frozen=True)
class SectionChange(Change):
    """Attributes of sections, as the SONATA extension's ``configure_all_sections`` has them.

    Attributes
    ----------
    node_set : of biophysical cells.
    section_configure : assignments such as ``%s.gbar_NaTs = 0; %s.e_pas *= 0.9``, done in the
        sections that have all of the attributes.
    """

    TYPE: ClassVar[str] = "configure_all_sections"

    node_set: Any = None
    section_configure: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.membrane  # refuses what is no assignment

    @property
    def membrane(self) -> MembraneChange:
        """What it assigns, for any cell.

        Raises
        ------
        ConfigError : it is no assignment, or a value cannot be.
        """
        return parse(self.section_configure)


@dataclass(frozen=True)
class Lesion(Change):
    """Nodes that are cut off: no spike leaves them, none reaches them.

    All synapses from them and onto them weigh nothing. Electrodes in them go on.

    Attributes
    ----------
    share : of the nodes of the set, 0..1. Which ones is a function of the node alone: a larger
        share has all of a smaller one.
    """

    TYPE: ClassVar[str] = "lesion"

    node_set: Any = None
    share: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(0 < self.share <= 1, "share", "a share above 0 and up to 1")


@dataclass(frozen=True)
class CurrentChange(Change):
    """A constant current into the soma of every cell of a node set.

    Virtual nodes are left out, point neurons refused.

    Attributes
    ----------
    amp : nA.
    """

    TYPE: ClassVar[str] = "current"
    REBUILDS: ClassVar[bool] = False

    node_set: Any = None
    amp: float = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(math.isfinite(self.amp), "amp", "a finite number, nA")


@dataclass(frozen=True)
class RateChange(Change):
    """The rates of the Poisson trains of a node set times a factor.

    Attributes
    ----------
    factor : 0 or more.
    """

    TYPE: ClassVar[str] = "rate"
    REBUILDS: ClassVar[bool] = False

    node_set: Any = None
    factor: float = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(math.isfinite(self.factor) and self.factor >= 0, "factor", "0 or more")


@dataclass(frozen=True)
class TemperatureChange(Change):
    """The temperature of all cells: rates of channels, and the reversal potential of calcium.

    Synapses, conductances and delays stay as they are.

    Attributes
    ----------
    celsius : degC.
    """

    TYPE: ClassVar[str] = "temperature"

    celsius: float = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(-50 < self.celsius < 100, "celsius", "from -50 to 100 degC")


@dataclass(frozen=True)
class ConductanceChange(Change):
    """A random conductance in the soma of every cell of a node set, as of many small synapses.

    An Ornstein-Uhlenbeck process, each cell's own, cut at 0 and new every 0.25 ms. Virtual nodes
    are left out, point neurons refused.

    Attributes
    ----------
    mean, sigma : uS, of the process.
    tau : ms, its correlation time.
    reversal : mV.
    """

    TYPE: ClassVar[str] = "conductance"
    REBUILDS: ClassVar[bool] = False

    node_set: Any = None
    mean: float = 0.0
    sigma: float = 0.0
    tau: float = 3.0
    reversal: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(math.isfinite(self.mean), "mean", "a finite number, uS")
        self.require(math.isfinite(self.sigma) and self.sigma > 0, "sigma", "above 0, uS")
        self.require(math.isfinite(self.tau) and self.tau >= 0, "tau", "0 ms or more")
        self.require(math.isfinite(self.reversal), "reversal", "a finite number, mV")


@dataclass(frozen=True)
class ShotNoiseChange(Change):
    """Random events in the soma of every cell of a node set, as of synapses that are not modelled.

    Poisson events that rise and decay, each cell's own, new every 0.25 ms. Virtual nodes are left
    out, point neurons refused.

    Attributes
    ----------
    rate : of events, Hz.
    amp_mean, amp_var : of their sizes, which have a gamma distribution: uS and uS2, or nA and nA2
        of a current.
    rise_time, decay_time : ms; an event peaks at its size.
    reversal : mV, that a conductance pulls to; None for a current.
    """

    TYPE: ClassVar[str] = "shot_noise"
    REBUILDS: ClassVar[bool] = False

    node_set: Any = None
    rate: float = 0.0
    amp_mean: float = 0.0
    amp_var: float = 0.0
    rise_time: float = 0.4
    decay_time: float = 4.0
    reversal: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, unit in (("rate", "Hz"), ("amp_mean", "nA or uS"), ("rise_time", "ms")):
            value = getattr(self, key)
            self.require(math.isfinite(value) and value > 0, key, f"above 0, {unit}")
        most = MOST_EVENTS / SAMPLE
        self.require(self.rate <= most, "rate", f"{most:g} Hz or less")
        right = math.isfinite(self.amp_var) and self.amp_var >= 0
        self.require(right, "amp_var", "0 or more")
        later = math.isfinite(self.decay_time) and self.decay_time > self.rise_time
        self.require(later, "decay_time", "longer than rise_time, ms")
        finite = self.reversal is None or math.isfinite(self.reversal)
        self.require(finite, "reversal", "a finite number, mV, or left out for a current")


@dataclass(frozen=True)
class ClampChange(Change):
    """The somata of a node set held at a voltage through a resistance, by NEURON's SEClamp.

    Virtual nodes are left out, point neurons refused.

    Attributes
    ----------
    voltage : mV.
    resistance : MOhm.
    """

    TYPE: ClassVar[str] = "voltage"
    REBUILDS: ClassVar[bool] = False

    node_set: Any = None
    voltage: float = field(kw_only=True)
    resistance: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(math.isfinite(self.voltage), "voltage", "a finite number, mV")
        right = math.isfinite(self.resistance) and self.resistance > 0
        self.require(right, "resistance", "above 0, MOhm")


#: All of them by what their entries say they are.
TYPES: dict[str, type[Change]] = {
    kind.TYPE: kind
    for kind in (
        SynapseChange,
        ChannelChange,
        ModelChange,
        SectionChange,
        Lesion,
        CurrentChange,
        ConductanceChange,
        ShotNoiseChange,
        ClampChange,
        RateChange,
        TemperatureChange,
    )
}


def entries(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Their entries in a configuration, as they are read back from a file."""
    told = json.dumps([change.as_json() for change in changes], default=str)
    return list(json.loads(told))


def entries_told(told: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries in what a provenance tells of changes, which is how much each is about too."""
    return [{key: value for key, value in each.items() if key != "touched"} for each in told]
