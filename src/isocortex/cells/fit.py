"""Fit files of the Allen Cell Types Database: every entry checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from isocortex.errors import InputError
from isocortex.text import finite, read_json

Fit = Mapping[str, Any]

#: A section name of old fit files, whose entries BMTK skips.
WHOLE_CELL = "glob"
#: The lists of a fit file.
BLOCKS = ("passive", "genome", "conditions")
EXAMPLE = "Compare with a fit file from celltypes.brain-map.org."
#: What must be more than 0, and what may be 0 too, by the names of passive and genome entries.
POSITIVE, NOT_NEGATIVE = ("ra", "cm"), ("g_pas",)


@dataclass(frozen=True)
class GenomeEntry:
    """One parameter of a kind of section; ``place`` is where it stands, for messages."""

    section: str
    name: str
    value: float
    mechanism: str
    place: str


@dataclass(frozen=True)
class Parameters:
    """What a fit file says of a cell.

    Attributes
    ----------
    file : where it was read from, for messages.
    ra : ohm cm, None if the fit has none.
    e_pas : mV, likewise.
    cm : (section, uF/cm2).
    genome : entries in the file's order; those of the whole cell are left out.
    erev : (section, ena, ek), mV.
    by_section : whether it is a NeuroML file's: a kind of section that it says nothing of has no
        leak, and NEURON's resistance and capacitance. A fit file's leak is everywhere.
    """

    file: str
    ra: float | None
    e_pas: float | None
    cm: tuple[tuple[str, float], ...]
    genome: tuple[GenomeEntry, ...]
    erev: tuple[tuple[str, float, float], ...]
    by_section: bool = False


def read_fit(path: str | PathLike[str]) -> Parameters:
    """The parameters of a fit file; raises what :func:`parameters_of` does."""
    return parameters_of(read_json(Path(path)), path)


def parameters_of(fit: Fit, file: str | PathLike[str]) -> Parameters:
    """The parameters of a fit.

    Raises
    ------
    InputError : an entry that is missing, of another type, no finite number or out of range, with
        its place.
    """
    name = fspath(file)
    passive, genome, conditions = (_block(fit, block, name) for block in BLOCKS)
    first = _Entry(passive[0], "passive[0]", name)
    parsed = []
    for i, values in enumerate(genome):
        entry = _Entry(values, f"genome[{i}]", name)
        if entry.text("section") != WHOLE_CELL:
            parsed.append(_genome_entry(entry))
    erev = [
        (e.text("section"), e.number("ena"), e.number("ek"))
        for e in _Entry(conditions[0], "conditions[0]", name).entries("erev")
        if e.text("section") != WHOLE_CELL
    ]
    return Parameters(
        file=name,
        ra=first.number("ra") if "ra" in first.values else None,
        e_pas=first.number("e_pas") if "e_pas" in first.values else None,
        cm=tuple((e.text("section"), e.number("cm")) for e in first.entries("cm")),
        genome=tuple(parsed),
        erev=tuple(erev),
    )


def _block(fit: Fit, name: str, file: str) -> list[Any]:
    block = fit.get(name)
    if not isinstance(block, list) or (name != "genome" and not block):
        raise InputError(f"no {name} list", file=file, field=name, fix="Give an Allen fit.")
    return block


def _genome_entry(entry: _Entry) -> GenomeEntry:
    name = entry.text("name")
    return GenomeEntry(
        section=entry.text("section"),
        name=name,
        # the Institute's all-active fits write numbers as text
        value=entry.number("value", name, may_be_text=True),
        mechanism=entry.text("mechanism", 'Name its mechanism, or "" for a property of a section.'),
        place=f"{entry.place}.value",
    )


class _Entry:
    """A JSON object of a fit."""

    def __init__(self, values: Any, place: str, file: str) -> None:
        self.values, self.place, self.file = values, place, file
        if not isinstance(values, dict):
            raise InputError(
                f"must be a JSON object, found {values!r}", file=file, field=place, fix=EXAMPLE
            )

    def entries(self, key: str) -> list[_Entry]:
        """The objects of a list that may be absent."""
        values = self.values.get(key, [])
        if not isinstance(values, list):
            raise self._error(key, f"must be a list, found {values!r}", EXAMPLE)
        return [_Entry(v, f"{self.place}.{key}[{i}]", self.file) for i, v in enumerate(values)]

    def text(self, key: str, fix: str = EXAMPLE) -> str:
        value = self._needed(key, fix)
        if not isinstance(value, str):
            raise self._error(key, f"must be text, found {value!r}", fix)
        return value

    def number(self, key: str, name: str = "", *, may_be_text: bool = False) -> float:
        """A finite number in the range of ``name``, which is ``key`` unless given."""
        given = self._needed(key, "Give a number.")
        value = _read(given) if may_be_text and isinstance(given, str) else finite(given)
        if value is None:
            raise self._error(key, f"must be a finite number, found {given!r}", "Mend the value.")
        name = (name or key).lower()
        if (name in POSITIVE and value <= 0) or (name in NOT_NEGATIVE and value < 0):
            range_ = "more than 0" if name in POSITIVE else "0 or more"
            raise self._error(key, f"{name} must be {range_}, found {given!r}", "Mend the value.")
        return value

    def _needed(self, key: str, fix: str) -> Any:
        if key not in self.values:
            raise self._error(key, "is missing", fix)
        return self.values[key]

    def _error(self, key: str, message: str, fix: str) -> InputError:
        return InputError(message, file=self.file, field=f"{self.place}.{key}", fix=fix)


def _read(text: str) -> float | None:
    try:
        return finite(float(text))
    except ValueError:
        return None
