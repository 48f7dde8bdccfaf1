"""NeuroML files of Allen models: the same parameters as a fit file, as BMTK reads them."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from xml.etree import ElementTree

from isocortex.cells.fit import GenomeEntry, Parameters
from isocortex.errors import InputError
from isocortex.text import finite

#: What kinds of sections are called, and what a group stands for.
GROUPS = {
    "soma": "soma", "somatic": "soma", "axon": "axon", "axonal": "axon", "dend": "dend",
    "basal": "dend", "dendritic": "dend", "apic": "apic", "apical": "apic",
}  # fmt: skip
EVERY = ("soma", "axon", "apic", "dend")
#: NEURON's unit of each quantity, and others: unit -> factor.
CONDUCTANCE = {"S_per_cm2": 1.0, "mS_per_cm2": 1e-3, "S_per_m2": 1e-4}
VOLTAGE = {"mV": 1.0, "V": 1e3}
TIME = {"ms": 1.0, "s": 1e3}
RESISTIVITY = {"ohm_cm": 1.0, "kohm_cm": 1e3, "ohm_m": 1e2}
CAPACITANCE = {"uF_per_cm2": 1.0, "F_per_m2": 1e2}
#: Where a section has a reversal potential of one of the two ions alone: NEURON's other.
ENA, EK = 50.0, -77.0
CHANNELS = ("channelDensity", "channelDensityNernst")


def read_neuroml(path: str | PathLike[str]) -> Parameters:
    """The parameters of a NeuroML cell; its morphology is not read.

    Raises
    ------
    InputError : no XML, an element without its group or a number, or one that is not known.
    """
    name = fspath(path)
    try:
        root = ElementTree.parse(Path(path)).getroot()
    except (OSError, ElementTree.ParseError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot be read as XML ({error})", file=name, fix="Give a NeuroML 2 cell."
        ) from error
    found = _Found(name)
    for element in root.iter():
        found.take(_Element(element, name))
    return found.parameters()


class _Element:
    """An XML element and its attributes."""

    def __init__(self, element: ElementTree.Element, file: str) -> None:
        self.tag = element.tag.rsplit("}", 1)[-1]
        self.attributes, self.file = element.attrib, file

    def text(self, key: str) -> str:
        if key not in self.attributes:
            raise self.error(key, "is missing", "Add it.")
        return self.attributes[key]

    def number(self, key: str, units: dict[str, float] | None) -> float:
        """A number in NEURON's unit; without a unit it is taken to be in it.

        ``units`` is None where there is none: the Allen Institute's files have some all the same.
        """
        given = self.text(key).split()
        try:
            value = finite(float(given[0])) if len(given) in (1, 2) else None
        except ValueError:
            value = None
        unit = given[1] if len(given) == 2 else None
        if units is not None and unit is not None and unit not in units:
            value = None
        if value is None:
            said = f"a number and {' or '.join(units)}" if units else "a number"
            raise self.error(key, f"must be {said}, found {self.text(key)!r}", "Mend it.")
        return value if units is None or unit is None else value * units[unit]

    def sections(self) -> tuple[str, ...]:
        group = self.text("segmentGroup").lower()
        if group == "all":
            return EVERY
        if group not in GROUPS:
            raise self.error(
                "segmentGroup", f"unknown group {group!r}", f"Use {', '.join(GROUPS)}."
            )
        return (GROUPS[group],)

    def error(self, key: str, message: str, fix: str) -> InputError:
        which = self.attributes.get("id")
        field = f"{self.tag}[{which}]" if which else self.tag
        return InputError(message, file=self.file, field=f"{field}.{key}", fix=fix)


class _Found:
    """What elements say of each kind of section; of two with the same id the later counts."""

    def __init__(self, file: str) -> None:
        self.file = file
        #: (section, name) -> entry of a genome
        self.entries: dict[tuple[str, str], GenomeEntry] = {}
        self.capacitance: dict[str, float] = {}
        self.reversal: dict[str, dict[str, float]] = {}

    def take(self, element: _Element) -> None:
        tag = element.tag
        if tag in CHANNELS:
            self._channel(element)
        elif tag == "resistivity":
            self._set(element, "Ra", element.number("value", RESISTIVITY))
        elif tag == "specificCapacitance":
            value = element.number("value", CAPACITANCE)
            self.capacitance |= dict.fromkeys(element.sections(), value)
        elif tag == "concentrationModel":
            mechanism, kind = element.text("id"), element.text("type")
            self._set(element, f"gamma_{kind}", element.number("gamma", None), mechanism)
            self._set(element, f"decay_{kind}", element.number("decay", TIME), mechanism)
        elif tag.startswith("channel"):
            raise element.error(
                "id", f"{tag} is not supported, and BMTK reads over it", "Give channelDensity."
            )

    def _channel(self, element: _Element) -> None:
        channel, ion = element.text("ionChannel"), element.text("ion")
        density = element.number("condDensity", CONDUCTANCE)
        reversal = element.number("erev", VOLTAGE) if "erev" in element.attributes else None
        if channel == "pas":
            self._set(element, "g_pas", density)
            if reversal is None:
                raise element.error("erev", "is missing", "Add it.")
            self._set(element, "e_pas", reversal)
            return
        self._set(element, element.text("id"), density, channel)
        if ion in ("na", "k") and reversal is not None:
            for section in element.sections():
                self.reversal.setdefault(section, {})[ion] = reversal

    def _set(self, element: _Element, name: str, value: float, mechanism: str = "") -> None:
        place = element.attributes.get("id", element.tag)
        for section in element.sections():
            self.entries[section, name] = GenomeEntry(section, name, value, mechanism, place)

    def parameters(self) -> Parameters:
        return Parameters(
            file=self.file,
            ra=None,
            e_pas=None,
            cm=tuple(self.capacitance.items()),
            genome=tuple(self.entries.values()),
            erev=tuple(
                (section, ions.get("na", ENA), ions.get("k", EK))
                for section, ions in self.reversal.items()
            ),
            by_section=True,
        )
