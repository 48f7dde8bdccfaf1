"""Places for synapses on a cell's branches, as rules of scripts ask BMTK for them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from isocortex.arrays import FloatArray, IntArray
from isocortex.cells.axon import AXON, replace_axon
from isocortex.cells.discretise import discretise
from isocortex.cells.extracellular import rotation
from isocortex.cells.place import SECTION_NAMES
from isocortex.cells.swc import Section, import_sections, read_swc
from isocortex.errors import ConfigError, InputError

#: um: sections are one segment each unless ``set_segment_dl`` says otherwise, as in BMTK.
WHOLE = 1e9


class Segments(NamedTuple):
    """Segments in order of sections; um."""

    type: IntArray
    area: FloatArray
    x: FloatArray
    dist: FloatArray
    length: FloatArray
    dist0: FloatArray
    dist1: FloatArray
    sec_id: IntArray


class _Shape:
    """What nodes of the same morphology share, computed once.

    Parameters
    ----------
    path : the reconstruction.
    fixed : its axon is two sections of 30 um.
    dl : um, see :meth:`SWCReader.set_segment_dl`.
    """

    def __init__(self, path: Path, fixed: bool, dl: float) -> None:
        self.path, self.points = path, read_swc(path)
        sections = import_sections(self.points)
        if fixed:
            # distances along the stub are counted from the soma's end in BMTK, here and only here
            sections = [
                replace(section, parent_x=1.0) if section.type == AXON and not section.parent
                else section for section in replace_axon(sections, "aibs_perisomatic")
            ]  # fmt: skip
        self.sections = sections
        parts = discretise(sections, dl)
        kinds = np.array([section.type for section in sections])[parts.section]
        half = parts.length / 2.0
        self.segments = Segments(
            kinds, parts.area, parts.x, parts.distance, parts.length, parts.distance - half,
            parts.distance + half, parts.section,
        )  # fmt: skip
        self.found = cache(self._find)
        self.ids_of = cache(self._ids_of)

    def _find(self, names: tuple[str, ...], low: float, high: float) -> tuple[IntArray, FloatArray]:
        unknown = [name for name in names if name not in SECTION_NAMES]
        if unknown:
            raise ConfigError(
                f"unknown section type {unknown[0]!r}", field="section_names",
                fix=f"There are {', '.join(SECTION_NAMES)}.",
            )  # fmt: skip
        parts = self.segments
        inside = np.minimum(parts.dist1, high) - np.maximum(parts.dist0, low)
        chosen = np.isin(parts.type, [SECTION_NAMES[name] for name in names]) & (inside > 0)
        if not chosen.any():
            raise InputError(
                f"has no {'/'.join(names)} within {low:g} to {high:g} um of its soma",
                file=self.path, fix="Choose other section_names or another distance_range.",
            )  # fmt: skip
        return np.flatnonzero(chosen), inside[chosen] / inside[chosen].sum()

    @cached_property
    def _tree(self) -> tuple[cKDTree, IntArray]:
        ids = np.loadtxt(self.path, comments="#", usecols=0, ndmin=1).astype(np.int64)
        return cKDTree(self.points.xyzd[:, :3]), np.sort(ids)

    def _ids_of(self, sec_id: int) -> IntArray:
        """Ids of the points of the file that a section is made of."""
        section = self.sections[sec_id]
        own = section.points[:, :3]
        above = self.sections[section.parent].points[:, :3] if section.parent >= 0 else own[:0]
        own = own[1:] if (above == own[0]).all(axis=1).any() else own  # it begins with the parent's
        tree, ids = self._tree
        return ids[tree.query(own)[1]]


_shape_of = lru_cache(maxsize=64)(_Shape)


class SWCReader:
    """A reconstruction whose sections are numbered as synapses on it are placed.

    Parameters
    ----------
    swc_path : the reconstruction.
    rng_seed : of the places that are drawn; by default another one each time.
    """

    def __init__(self, swc_path: str | os.PathLike[str], rng_seed: int | None = None) -> None:
        self.swc_path = Path(swc_path)
        self._random = np.random.RandomState(rng_seed)
        self._fixed, self._dl = False, WHOLE
        self._moved, self._turn = np.zeros(3), np.eye(3)

    @property
    def _shape(self) -> _Shape:
        return _shape_of(self.swc_path, self._fixed, self._dl)

    def fix_axon(self) -> None:
        """Put two sections of 30 um in the place of the axon, as ``aibs_perisomatic`` does."""
        self._fixed = True

    def set_segment_dl(self, dl: float) -> None:
        """Cut sections into 1 + 2 int(L / (2 dl)) segments, ``dl`` in um."""
        self._dl = dl

    @property
    def sections(self) -> list[Section]:
        return self._shape.sections

    @property
    def n_sections(self) -> int:
        return len(self.sections)

    @property
    def seg_props(self) -> Segments:
        return self._shape.segments

    def find_sections(
        self, section_names: Sequence[str], distance_range: Sequence[float]
    ) -> tuple[IntArray, FloatArray]:
        """Segments of these types within a range of path distances (um) from the soma.

        Returns
        -------
        Their numbers, and the probability of each: by its length within the range.
        """
        return self._shape.found(tuple(section_names), *distance_range)

    def choose_sections(
        self, section_names: Sequence[str], distance_range: Sequence[float], n_sections: int = 1
    ) -> tuple[IntArray, FloatArray]:
        """Section and place in it (0..1) of ``n_sections`` segments, drawn by their length."""
        segments, probability = self.find_sections(section_names, distance_range)
        drawn = self._random.choice(segments, n_sections, p=probability)
        return self.seg_props.sec_id[drawn], self.seg_props.x[drawn]

    def get_coords(self, sec_id: int, sec_x: float) -> FloatArray:
        """float64[3], where a place is, um."""
        section = self.sections[sec_id]
        along = sec_x * section.length
        place = [np.interp(along, section.arc, section.points[:, k]) for k in range(3)]
        return (
            self._turn @ (np.array(place) - self.soma_position) + self.soma_position + self._moved
        )

    @property
    def soma_position(self) -> FloatArray:
        """float64[3], the middle of the soma's points as they were reconstructed, um."""
        soma = [s.points[:, :3] for s in self.sections if s.type == SECTION_NAMES["soma"]]
        return np.concatenate(soma).mean(axis=0)

    def get_coord(
        self,
        sec_ids: Sequence[int],
        sec_xs: Sequence[float],
        soma_center: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> list[FloatArray]:
        """Where several places are with the soma at ``soma_center``, um; of BMTK before 1.0."""
        there = np.asarray(soma_center) - self.soma_position - self._moved
        return [self.get_coords(s, x) + there for s, x in zip(sec_ids, sec_xs, strict=True)]

    def get_dist(self, sec_ids: Sequence[int]) -> list[float]:
        """Path distances of segments from the soma, um; of BMTK before 1.0."""
        return [float(self.seg_props.dist[section]) for section in sec_ids]

    def get_type(self, sec_ids: Sequence[int]) -> list[int]:
        """Kinds of segments, as in the file; of BMTK before 1.0."""
        return [int(self.seg_props.type[section]) for section in sec_ids]

    def get_swc_id(self, sec_id: int, sec_x: float) -> tuple[int, float]:
        """The point of the file at a place, and how far before it: 0..1, of points evenly spaced.

        No simulation reads them.
        """
        ids = self._shape.ids_of(int(sec_id))
        place = max(0.0, sec_x * len(ids) - 1.0)
        return int(ids[int(np.ceil(place))]), float(np.ceil(place) - place)

    def move_and_rotate(
        self,
        soma_coords: Sequence[float] | None = None,
        rotation_angles: Sequence[float] | None = None,
    ) -> SWCReader:
        """Turn the cell about its soma (radians, about x, y and z) and put its soma there, um."""
        if rotation_angles is not None:
            self._turn = rotation(*rotation_angles)
        if soma_coords is not None:
            self._moved = np.asarray(soma_coords, float) - self.soma_position
        return self


PLACE = ("x", "y", "z")
ANGLES = tuple(f"rotation_angle_{axis}axis" for axis in PLACE)
#: By what makes it the cell that it is, its file, and how finely its sections are cut.
_kept: dict[tuple[tuple[Any, ...], Path, float | None], SWCReader] = {}


def get_swc(
    cell: Mapping[str, Any],
    morphology_dir: str | os.PathLike[str] | None = None,
    use_cache: bool = False,
    dL: float | None = None,
) -> SWCReader:
    """The reconstruction of a node, placed and turned as the node is.

    Parameters
    ----------
    cell : a node with the name of its ``morphology``.
    use_cache : keep it, to be given again for the same cell.
    dL : um, how finely sections are cut; by default not at all.
    """
    path = Path(morphology_dir or ".") / cell["morphology"]
    own = tuple(cell.get(name) for name in ("node_id", *PLACE, *ANGLES, "model_processing"))
    key = (own, path.absolute(), dL)
    if use_cache and key in _kept:
        return _kept[key]
    if not path.exists() and path.suffix != ".swc":
        path = path.with_name(f"{path.name}.swc")
    if use_cache and not path.exists():  # what BMTK keeps it finds again whatever the folder
        for (other, kept, _), swc in _kept.items():
            if other == own and kept.name in (path.name, path.stem):
                return swc
    swc = SWCReader(path)
    if dL:
        swc.set_segment_dl(dL)
    if cell.get("model_processing") == "aibs_perisomatic":
        swc.fix_axon()
    place, angles = (
        [cell.get(name, 0.0) for name in names] if any(name in cell for name in names) else None
        for names in (PLACE, ANGLES)
    )
    swc.move_and_rotate(place, angles)
    if use_cache:
        _kept[key] = swc
    return swc
