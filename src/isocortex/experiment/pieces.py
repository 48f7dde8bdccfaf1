"""What an arm changes, as pieces of a simulation's configuration."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isocortex.circuit.changes import CHANGES, OURS, ChannelChange, ClampChange, SectionChange
from isocortex.errors import ConfigError
from isocortex.experiment.changes import Change, section
from isocortex.sonata.changes import read_changes

#: Sections of a configuration that an arm may add to: others are read over.
SECTIONS = ("inputs", "connection_overrides", OURS, "conditions", "run", "reports", "node_sets")
#: Sections of a configuration that say when what is in them begins, and their words for it, ms.
BEGINS = {"inputs": ("delay", "t_start"), "connection_overrides": ("delay",)}
#: Module of inputs that are voltage clamps.
CLAMP = "seclamp"
#: A field of a configuration that is in a list, such as that of changes.
LISTED = re.compile(rf"({OURS}\.{CHANGES}|conditions\.modifications|connection_overrides)\[(\d+)\]")


@dataclass(frozen=True)
class Piece:
    """A change as plain data.

    Attributes
    ----------
    start : ms; before it nothing differs from a simulation without the change.
    sections : section of a configuration -> what is added to it, an object or a list.
    file, place : where it was written, for messages.
    """

    start: float
    sections: Mapping[str, Any]
    file: Path | None = field(default=None, compare=False, repr=False)
    place: str = field(default="", compare=False, repr=False)

    @classmethod
    def of(cls, change: Change | Mapping[str, Any] | Piece) -> Piece:
        """A change, or sections of a configuration, as they are written there.

        Raises
        ------
        ConfigError : it is neither, or no cell of the package can have what it changes.
        """
        if isinstance(change, Piece):
            return change
        if isinstance(change, Change):
            _require_known([change])
            return cls(change.start, section([change]))
        if isinstance(change, Mapping):
            for name in change:
                if name not in SECTIONS:
                    raise ConfigError(
                        f"{name!r} is no section of a configuration that an arm can add to",
                        fix=f"There are {', '.join(SECTIONS)}.",
                    )
            if all(not value or value == {CHANGES: []} for value in change.values()):
                raise ConfigError(f"{dict(change)!r} changes nothing",
                                  fix="Say what is changed, or take it out.")  # fmt: skip
            try:
                start = float(min(_starts(change), default=0.0))
                modifications = (change.get("conditions") or {}).get("modifications")
            except (AttributeError, TypeError, ValueError) as error:
                raise ConfigError(
                    f"{dict(change)!r} is not as in a configuration ({error})",
                    fix="Write objects by name in it, with their times as numbers.",
                ) from error
            _require_known(read_changes((change.get(OURS), None), modifications, None))
            return cls(start, copy.deepcopy(dict(change)))
        raise ConfigError(
            f"{change!r} is no change",
            fix="Give what isocortex.experiment makes, or sections of a configuration.",
        )

    @property
    def starts(self) -> tuple[float, ...]:
        """Every time at which something in it begins, as of several pulses, ascending, ms."""
        return tuple(sorted({float(each) for each in _starts(self.sections)}))

    @property
    def clamps(self) -> bool:
        """Whether it has a voltage clamp."""
        inputs = self.sections.get("inputs", {}).values()
        changes = self.sections.get(OURS, {}).get(CHANGES) or ()
        return any(str(each.get("module")).lower() == CLAMP for each in inputs) or any(
            each.get("type") == ClampChange.TYPE for each in changes
        )

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Piece:
        """The same from JSON."""
        return cls(float(told["start"]), dict(told["sections"]))

    def as_json(self) -> dict[str, Any]:
        """For a study's own file."""
        return {"start": self.start, "sections": dict(self.sections)}


def _require_known(changes: Iterable[Change]) -> None:
    """Refuse mechanisms and parameters that no cell of the package has: others a cortex has not."""
    for change in changes:
        if isinstance(change, ChannelChange | SectionChange):
            change.membrane.check()


def written_as(pieces: Sequence[Piece], told: str) -> tuple[Path | None, str] | None:
    """Where a field of the configuration that pieces made was written; None where by none."""
    listed = LISTED.match(told)
    if listed is None:
        for piece in pieces:
            for name, value in piece.sections.items():
                if isinstance(value, Mapping) and any(
                    f"{told}.".startswith(f"{name}.{key}.") for key in value
                ):
                    return piece.file, f"{piece.place}.{told}"
        return None
    name, number, rest = listed[1], int(listed[2]), told[listed.end() :]
    for piece in pieces:
        first, *inner = name.split(".")
        mine = piece.sections.get(first) or {}
        mine = mine.get(inner[0]) or () if inner else mine
        if number < len(mine):
            alone = len(piece.sections) == len(mine) == 1 and inner == [CHANGES]
            return piece.file, piece.place + (rest if alone else f".{name}[{number}]{rest}")
        number -= len(mine)
    return None


def _starts(sections: Mapping[str, Any]) -> list[float]:
    """When what is in sections of a configuration begins: what does not say it does at once."""
    starts: list[float] = []
    for name, value in sections.items():
        if name == OURS and set(value) == {CHANGES}:
            starts += [each.get("start", 0.0) for each in value[CHANGES]]
        elif name in BEGINS:
            entries = value.values() if isinstance(value, Mapping) else value
            starts += [at for each in entries for at in _begins(each, BEGINS[name])]
        else:
            starts.append(0.0)
    return starts


def _begins(entry: Mapping[str, Any], words: tuple[str, ...]) -> list[float]:
    """When it says that it begins; pulses may be several."""
    told = next((entry[word] for word in words if entry.get(word)), 0.0)
    return told if isinstance(told, list) else [told]


def with_pieces(config: Mapping[str, Any], pieces: Iterable[Piece]) -> dict[str, Any]:
    """A configuration with what pieces add to it.

    Raises
    ------
    ConfigError : two pieces, or one and the configuration, have a name in common.
    """
    made = copy.deepcopy(dict(config))
    for piece in pieces:
        for name, value in copy.deepcopy(dict(piece.sections)).items():
            _add(made, name, value, name)
    return made


def _add(into: dict[str, Any], name: str, value: Any, field: str) -> None:
    there = into.get(name)
    if there is None:
        into[name] = value
    elif isinstance(there, list) and isinstance(value, list):
        there += value
    elif isinstance(there, dict) and isinstance(value, dict):
        for key, inner in value.items():
            _add(there, key, inner, f"{field}.{key}")
    elif there != value:
        raise ConfigError(
            f"is {there!r}, and a change makes it {value!r}", field=field,
            fix="Give what two changes add different names.",
        )  # fmt: skip
