"""What a cortex model is made of beside the tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.cells.library import DIVISIONS
from isocortex.errors import ConfigError, located
from isocortex.sonata.schema import unknown_key
from isocortex.text import exact, finite

#: Synapses of the whole cortex at scale 1.
SYNAPSES = 26e9
#: What changes weights alone, and may be changed in a circuit that was built.
OF_WEIGHTS = ("excitation", "inhibition")
#: Names of the densities of neurons, see :mod:`isocortex.cortex.counts`.
DENSITIES = ("published", "rodarie")
#: Files and folders: what is in them counts, not where they are.
TABLES = ("annotation", "area_layer", "connectome", "wiring", "drive")


#: Of the words of a recipe, where they have one.
UNITS = {
    "local_velocity": "µm/ms", "long_velocity": "µm/ms", "long_delay": "ms", "dL": "µm",
    "map_width": "standard deviations of the area", "synapses": "at scale 1",
    "scale": "of the neurons", "local": "of the synapses", "contra": "of the long-range synapses",
    "in_degree": "of a neuron's synapses", "excitation": "times the weights of the tables",
    "inhibition": "times the weights of the tables",
}  # fmt: skip


def recipe_told(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Words of a recipe with what they mean in words, and values with their units."""
    told = {}
    for key, value in recipe.items():
        number = isinstance(value, int | float) and key in UNITS
        text = "default" if value is None else exact(value) if number else str(value)
        told[key.replace("_", " ")] = f"{text} {UNITS[key]}" if number else text
    return told


@dataclass(frozen=True)
class Recipe:
    """Everything a cortex model is made of beside the tables.

    Attributes
    ----------
    seed : of all random numbers.
    scale : share of the neurons, above 0, at most 1.
    density : ``published`` or ``rodarie``, see :mod:`isocortex.cortex.counts`.
    synapses : of the whole cortex at scale 1.
    local : share of the synapses that are within areas; None for what the wiring and the densities
        make (43 % of 26 billion).
    contra : share of the long-range synapses that cross the midline; None for the connectome's.
    in_degree : share of its synapses that a neuron keeps, each as much stronger; None for one
        tenth, or the scale if that is more. See :mod:`isocortex.cortex.thinning`.
    local_velocity, long_velocity : of axons, um/ms.
    long_delay : ms, of long-range synapses, to which the time along the axon is added.
    map_width : spread of a projection around the matching place of its target area, in standard
        deviations of the area.
    dL : um, one of :data:`isocortex.cells.library.DIVISIONS`: how cells are divided. Synapses
        are placed on compartments, so that with another dL they are at other places.
    excitation, inhibition : factors on the weights of all synapses that excitatory and inhibitory
        neurons make. With 0 these synapses are there but have no effect: a full block.
    annotation, area_layer, connectome : files in place of the embedded tables, see
        :func:`isocortex.cortex.atlas.load_atlas`.
    wiring : folder in place of the embedded local wiring.
    drive : file in place of the embedded background, see :mod:`isocortex.cortex.drive`.
    """

    seed: int = 1
    scale: float = 0.001
    density: str = "published"
    synapses: float = SYNAPSES
    local: float | None = None
    contra: float | None = None
    in_degree: float | None = None
    local_velocity: float = 300.0
    long_velocity: float = 1000.0
    long_delay: float = 1.0
    map_width: float = 0.5
    dL: float = DIVISIONS[0]
    excitation: float = 1.0
    inhibition: float = 1.0
    annotation: str | None = None
    area_layer: str | None = None
    connectome: str | None = None
    wiring: str | None = None
    drive: str | None = None

    def __post_init__(self) -> None:
        def refuse(name: str, what: str) -> None:
            raise ConfigError(f"{getattr(self, name)!r} {what}", field=name, fix="Change it.")

        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            refuse("seed", "is not a whole number")
        if self.density not in DENSITIES:
            refuse("density", f"is none of {', '.join(DENSITIES)}")
        if finite(self.dL) not in DIVISIONS:
            known = " or ".join(f"{dL:g}" for dL in DIVISIONS)
            refuse("dL", f"is not {known} um, for which the embedded cells are divided")
        for name in TABLES:
            if not isinstance(getattr(self, name), (str, PathLike, type(None))):
                refuse(name, "is not a path")
        for name in ("scale", "in_degree", "local", "contra"):
            given = getattr(self, name)
            value = finite(given)
            if given is None and name != "scale":
                continue
            if value is None or not 0.0 < value <= 1.0:
                refuse(name, "is not in (0, 1]")
        for name in (
            "synapses",
            "local_velocity",
            "long_velocity",
            "long_delay",
            "map_width",
        ):
            value = finite(getattr(self, name))
            if value is None or value <= 0.0:
                refuse(name, "is not a positive number")
        for name in ("excitation", "inhibition"):  # 0 blocks all of them
            value = finite(getattr(self, name))
            if value is None or value < 0.0:
                refuse(name, "is not a number from 0")

    @classmethod
    def read(cls, values: Mapping[str, Any], file: Path | None) -> Recipe:
        """The recipe that a circuit's configuration holds, beside what was ``made`` of it.

        Raises
        ------
        ConfigError : a key or value that no recipe has.
        """
        values = {name: value for name, value in values.items() if name != "made"}
        for name in values:
            if name not in cls.__dataclass_fields__:
                raise unknown_key(name, cls.__dataclass_fields__, file, "cortex")
        with located(file, "cortex"):
            return cls(**values)

    def changed(self, other: Recipe) -> list[str]:
        """Names of the values that are others there."""
        names = self.__dataclass_fields__
        return [name for name in names if getattr(self, name) != getattr(other, name)]

    @property
    def kept(self) -> float:
        """Share of its synapses that a neuron keeps."""
        return max(self.scale, 0.1) if self.in_degree is None else self.in_degree

    @property
    def expected_synapses(self) -> float:
        """How many synapses there are to be at this scale."""
        return self.synapses * self.scale * self.kept

    def key(self, what: str) -> np.uint64:
        """Name of a family of random streams."""
        digest = hashlib.blake2b(f"{self.seed}:{what}".encode(), digest_size=8).digest()
        return np.uint64(int.from_bytes(digest, "little"))
