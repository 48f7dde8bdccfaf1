"""Allen Cell Types models: reconstruction and fit file to CompiledCell, as BMTK prepares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocortex.cells.axon import axon_processing, replace_axon
from isocortex.cells.channels import load_for
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell, MechanismTable
from isocortex.cells.discretise import FloatArray, Tree, build_tree, discretise
from isocortex.cells.fit import Fit, GenomeEntry, Parameters, parameters_of, read_fit
from isocortex.cells.swc import import_sections, read_swc
from isocortex.errors import ModelError, located
from isocortex.mechanisms import DENSITY

#: NEURON's values where a fit file sets none.
DEFAULT_RA, DEFAULT_CM = 35.4, 1.0  # ohm cm, uF/cm2
DEFAULT_G_PAS, DEFAULT_E_PAS = 1e-3, -70.0  # S/cm2, mV
DEFAULT_ENA, DEFAULT_EK = 50.0, -77.0  # mV

#: Properties that a genome entry may set without a mechanism.
SECTION_PROPERTIES = ("Ra", "cm", "g_pas", "e_pas", "ena", "ek")

#: Parameters of channels that must be more than 0, and those that may be 0 too, by unit.
POSITIVE_UNITS, NOT_NEGATIVE_UNITS = ("um", "mM"), ("S/cm2", "ms")


def compile_allen(
    fit: str | PathLike[str] | Fit | Parameters,
    swc: str | PathLike[str],
    processing: str | None = "aibs_perisomatic",
    *,
    dL: float = 20.0,
    name: str | None = None,
    mechanisms: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    mechanisms_dir: str | PathLike[str] | None = None,
) -> CompiledCell:
    """Compile one Allen model.

    Parameters
    ----------
    fit : the parameter file, or its contents, read or not.
    swc : the reconstruction.
    processing : BMTK's ``model_processing``, or a comma-separated list; None keeps the
        reconstructed axon, with the fit's "axon" parameters.
    dL : um; a section of length L has 1 + 2 int(L / (2 dL)) compartments. So small that a cell
        had more than ``discretise.MOST``, it is refused.
    mechanisms : Python or mod files with channels of one's own, which the fit may name.
    mechanisms_dir : a folder of mod files, or with those in its ``modfiles``.
    """
    if isinstance(fit, Parameters):
        parameters = fit
    else:
        parameters = read_fit(fit) if isinstance(fit, str | PathLike) else parameters_of(fit, "fit")
    files = [mechanisms] if isinstance(mechanisms, str | PathLike) else mechanisms
    load_for((e.mechanism for e in parameters.genome if e.mechanism), files, mechanisms_dir)
    with located(swc, "model_processing"):
        processing = axon_processing(processing)
    sections = replace_axon(import_sections(read_swc(swc)), processing)
    with located(swc, "dL"):
        compartments = discretise(sections, dL)
    biophysics = _Biophysics(parameters, np.array([s.type for s in sections]))
    perisomatic = processing in ("aibs_perisomatic", "aibs_perisomatic_directed")
    if perisomatic and not parameters.by_section:
        biophysics.require_passive()
    soma = int(np.count_nonzero(compartments.section == 0)) // 2
    tree = build_tree(sections, compartments, biophysics.ra, soma)
    cell = _assemble(name or Path(swc).stem, tree, compartments, biophysics)
    somata = [s.points[:, :3] for s in sections if s.type == SECTION_TYPES["soma"]]
    return replace(cell, centre=np.concatenate(somata).mean(axis=0))


def resistances(parameters: Parameters) -> dict[int, float]:
    """Axial resistance that a fit says of each SWC type, ohm cm."""
    ra = dict.fromkeys(SECTION_TYPES, DEFAULT_RA if parameters.ra is None else parameters.ra)
    ra |= {entry.section: entry.value for entry in parameters.genome if entry.name == "Ra"}
    return {SECTION_TYPES[section]: value for section, value in ra.items()}


class _Values(NamedTuple):
    """A parameter of every section, and which of them the fit gives one."""

    value: FloatArray
    is_set: NDArray[np.bool_]


class _Biophysics:
    """Parameters of every section, from the passive, genome and conditions blocks."""

    def __init__(self, fit: Parameters, types: np.ndarray) -> None:
        n = len(types)
        self.fit, self.types = fit, types
        self.ra = np.full(n, DEFAULT_RA if fit.ra is None else fit.ra)
        self.cm = np.full(n, DEFAULT_CM)
        self.g_pas = np.full(n, 0.0 if fit.by_section else DEFAULT_G_PAS)
        self.e_pas = np.full(n, DEFAULT_E_PAS if fit.e_pas is None else fit.e_pas)
        self.ena, self.ek = np.full(n, DEFAULT_ENA), np.full(n, DEFAULT_EK)
        for section, cm in fit.cm:
            self.cm[self._sections(section)] = cm
        #: mechanism -> (sections that have it, parameter -> value per section)
        self.mechanisms: dict[str, tuple[NDArray[np.bool_], dict[str, _Values]]] = {}
        for entry in fit.genome:
            self._insert(entry)
        for section, ena, ek in fit.erev:
            where = self._sections(section)
            self.ena[where], self.ek[where] = ena, ek

    def require_passive(self) -> None:
        """Perisomatic models must give Ra, e_pas and the capacitance of every kind of section."""
        given = {section for section, _ in self.fit.cm}
        present = {name for name, code in SECTION_TYPES.items() if (self.types == code).any()}
        missing = [key for key in ("ra", "e_pas") if getattr(self.fit, key) is None]
        missing += [f"cm of {name!r}" for name in sorted(present - given)]
        if missing:
            raise self._error(
                f"no {', '.join(missing)}, which a perisomatic model needs",
                "passive", "Add it, or use aibs_allactive, which has defaults.",
            )  # fmt: skip

    def _error(self, message: str, field: str, fix: str) -> ModelError:
        return ModelError(message, file=self.fit.file, field=field, fix=fix)

    def _sections(self, name: str) -> np.ndarray:
        if name not in SECTION_TYPES:
            raise self._error(
                f"unknown section {name!r}", "section", f"Use one of {', '.join(SECTION_TYPES)}."
            )
        return self.types == SECTION_TYPES[name]

    def _insert(self, entry: GenomeEntry) -> None:
        where, name, mechanism = self._sections(entry.section), entry.name, entry.mechanism
        if name in SECTION_PROPERTIES:
            getattr(self, name.lower())[where] = entry.value
            return
        if not where.any():
            return
        if mechanism:
            has, _ = self.mechanisms.setdefault(mechanism, (np.zeros(len(self.types), bool), {}))
            has |= where
        owners = [m for m in self.mechanisms if name.endswith(f"_{m}")]
        owner = max(owners, key=len, default=None)
        if owner is None or (where & ~self.mechanisms[owner][0]).any():
            raise self._error(
                f"{name!r} is set on {entry.section!r} before its mechanism is inserted there",
                "genome", "Name the mechanism in this or an earlier genome entry.",
            )  # fmt: skip
        parameter = name.removesuffix(f"_{owner}")
        self._check(owner, parameter, entry)
        n = len(self.types)
        values = self.mechanisms[owner][1].setdefault(
            parameter, _Values(np.zeros(n), np.zeros(n, bool))
        )
        values.value[where], values.is_set[where] = entry.value, True

    def _check(self, mechanism: str, parameter: str, entry: GenomeEntry) -> None:
        """A known mechanism must have the parameter, and the value be one that it can have."""
        if mechanism not in DENSITY:
            return
        known = DENSITY[mechanism].parameters
        if parameter not in known:
            raise self._error(
                f"{mechanism} has no parameter {parameter!r}", "genome",
                f"It has {', '.join(known)}.",
            )  # fmt: skip
        unit, value = known[parameter].unit, entry.value
        if (unit in POSITIVE_UNITS and value <= 0) or (unit in NOT_NEGATIVE_UNITS and value < 0):
            wanted = "more than 0" if unit in POSITIVE_UNITS else "0 or more"
            raise self._error(
                f"{entry.name} must be {wanted} {unit}, found {value:g}", entry.place,
                "Mend the value.",
            )  # fmt: skip

    def filled(self, mechanism: str, parameter: str, sections: NDArray[Any]) -> FloatArray:
        """Values in these sections, with the mechanism's default where the fit sets none."""
        values = self.mechanisms[mechanism][1][parameter]
        value, is_set = values.value[sections], values.is_set[sections]
        if is_set.all():
            return value
        known = DENSITY[mechanism].parameters if mechanism in DENSITY else {}
        if parameter not in known:
            raise self._error(
                f"{parameter}_{mechanism} is set on some sections only, and its default is unknown",
                "genome", "Set it on every kind of section that has the mechanism.",
            )  # fmt: skip
        return np.where(is_set, value, known[parameter].default)


def _assemble(name: str, tree: Tree, compartments: Any, biophysics: _Biophysics) -> CompiledCell:
    real = tree.compartment >= 0
    at = np.where(real, tree.compartment, 0)

    def geometry(values: FloatArray) -> FloatArray:
        return np.where(real, values[at], 0.0)

    def electrical(values: FloatArray) -> FloatArray:
        return np.where(real, values[tree.section], 0.0)

    # a branch point is drawn where its section ends, or where the root section starts
    last = np.searchsorted(compartments.section, tree.section, side="right") - 1
    tip = np.where((tree.x > 0)[:, None], compartments.end[last], compartments.start[0])
    end = np.where(real[:, None], compartments.end[at], tip)
    start = np.where(real[:, None], compartments.start[at], end)
    halfway = np.where(real[:, None], compartments.halfway[at], end)
    length, distance = geometry(compartments.length), compartments.distance[at]
    mechanisms = {}
    for mechanism, (has, parameters) in biophysics.mechanisms.items():
        nodes = np.flatnonzero(real & has[tree.section])
        if len(nodes):
            mechanisms[mechanism] = MechanismTable(
                nodes.astype(np.int32),
                {p: biophysics.filled(mechanism, p, tree.section[nodes]) for p in parameters},
            )
    return CompiledCell(
        name=name,
        parent=tree.parent.astype(np.int32),
        area=geometry(compartments.area),
        cm=electrical(biophysics.cm),
        g_axial=tree.coupling,
        section=tree.section.astype(np.int32),
        x=tree.x,
        section_type=biophysics.types[tree.section].astype(np.int8),
        start=start,
        end=end,
        diameter=geometry(compartments.diameter),
        length=length,
        distance_start=np.where(real, distance - 0.5 * length, 0.0),
        distance_end=np.where(real, distance + 0.5 * length, 0.0),
        g_pas=electrical(biophysics.g_pas),
        e_pas=electrical(biophysics.e_pas),
        ena=biophysics.ena[tree.section],
        ek=biophysics.ek[tree.section],
        mechanisms=mechanisms,
        soma=0,
        halfway=halfway,
    )
