"""The ``connection_overrides`` of a configuration: SONATA's extension, weights and delays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from isocortex.circuit import Circuit, ConnectionOverride
from isocortex.circuit.overrides import OVERRIDES
from isocortex.errors import ConfigError
from isocortex.sonata.schema import Positive, Section, Time, validated

#: What else the extension lets an override change.
OTHERS = (
    "spont_minis", "synapse_configure", "modoverride", "neuromodulation_dtc",
    "neuromodulation_strength",
)  # fmt: skip
#: Of these, what says nothing where it is 0: no spontaneous release.
NOTHING_AT_ZERO = ("spont_minis",)


class Override(Section):
    """One override. The extension lets ``weight`` be left out, where nothing else would be left."""

    name: str
    source: Any
    target: Any
    weight: Time
    delay: Time | None = None  # ms, from when on it holds
    synapse_delay_override: Positive | None = None  # ms


def read_overrides(entries: Any, file: Path, circuit: Circuit) -> list[ConnectionOverride]:
    """The overrides in their order; an absent or null section holds none.

    Raises
    ------
    ConfigError : an entry is wrong, changes anything but weights and delays, or is about no edges.
    """
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise ConfigError("must be a list", file=file, field=OVERRIDES, fix="Give [{...}, ...].")
    return [_read(e, file, f"{OVERRIDES}[{i}]", circuit) for i, e in enumerate(entries)]


def _read(values: Any, file: Path, field: str, circuit: Circuit) -> ConnectionOverride:
    if not isinstance(values, dict):
        raise ConfigError("must be a JSON object", file=file, field=field, fix="Give {...}.")
    for key in OTHERS:
        if values.get(key) is None or (key in NOTHING_AT_ZERO and values[key] == 0):
            continue
        raise ConfigError(
            "not supported: an override changes `weight` and `synapse_delay_override`", file=file,
            field=f"{field}.{key}", fix="Remove it.",
        )  # fmt: skip
    known = {key: value for key, value in values.items() if key not in OTHERS}
    entry = validated(Override, known, file, field)
    override = ConnectionOverride.between(
        circuit, entry.source, entry.target, entry.weight, name=entry.name, where=field
    )
    return replace(override, start=entry.delay or 0.0, delay=entry.synapse_delay_override)
