"""Allen Cell Types models: reconstruction and fit file to CompiledCell, as BMTK prepares them."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from isocortex.cells.axon import axon_processing, replace_axon
from isocortex.cells.compiled import SECTION_TYPES, CompiledCell, MechanismTable
from isocortex.cells.discretise import FloatArray, Tree, build_tree, discretise
from isocortex.cells.swc import import_sections, read_swc
from isocortex.errors import InputError, ModelError
from isocortex.mechanisms import DENSITY
from isocortex.text import read_json

#: NEURON's values where a fit file sets none.
DEFAULT_RA, DEFAULT_CM = 35.4, 1.0  # ohm cm, uF/cm2
DEFAULT_G_PAS, DEFAULT_E_PAS = 1e-3, -70.0  # S/cm2, mV
DEFAULT_ENA, DEFAULT_EK = 50.0, -77.0  # mV

#: A section name of old fit files, whose entries BMTK skips.
WHOLE_CELL = "glob"
#: Properties that a genome entry may set without a mechanism.
SECTION_PROPERTIES = ("Ra", "cm", "g_pas", "e_pas", "ena", "ek")

Fit = Mapping[str, Any]


def read_fit(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a fit file and check that its three blocks are there."""
    path = Path(path)
    fit = read_json(path)
    for block, kind in (("passive", list), ("genome", list), ("conditions", list)):
        if not isinstance(fit.get(block), kind) or (block != "genome" and not fit[block]):
            raise InputError(f"no {block} list", file=path, field=block, fix="Give an Allen fit.")
    return fit


def compile_allen(
    fit: str | PathLike[str] | Fit,
    swc: str | PathLike[str],
    processing: str | None = "aibs_perisomatic",
    *,
    dL: float = 20.0,
    name: str | None = None,
) -> CompiledCell:
    """Compile one Allen model.

    Parameters
    ----------
    fit : the parameter file, or its contents.
    swc : the reconstruction.
    processing : BMTK's ``model_processing``, or a comma-separated list; None keeps the
        reconstructed axon, with the fit's "axon" parameters.
    dL : um; a section of length L has 1 + 2 int(L / (2 dL)) compartments.
    """
    source = fit if isinstance(fit, str | PathLike) else "fit"
    values = read_fit(fit) if isinstance(fit, str | PathLike) else fit
    processing = axon_processing(processing)
    sections = replace_axon(import_sections(read_swc(swc)), processing)
    compartments = discretise(sections, dL)
    try:
        biophysics = _Biophysics(values, np.array([s.type for s in sections]))
        if processing in ("aibs_perisomatic", "aibs_perisomatic_directed"):
            biophysics.require_passive(values["passive"][0])
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"malformed Allen parameters ({type(error).__name__}: {error})", file=source,
            fix="Compare with a fit file from celltypes.brain-map.org.",
        ) from error  # fmt: skip
    except ModelError as error:
        raise ModelError(error.message, file=source, field=error.field, fix=error.fix) from error
    soma = int(np.count_nonzero(compartments.section == 0)) // 2
    tree = build_tree(sections, compartments, biophysics.ra, soma)
    return _assemble(name or Path(swc).stem, tree, compartments, biophysics)


class _Biophysics:
    """Parameters of every section, from the passive, genome and conditions blocks."""

    def __init__(self, fit: Fit, types: np.ndarray) -> None:
        n = len(types)
        self.types = types
        passive, conditions = fit["passive"][0], fit["conditions"][0]
        self.ra = np.full(n, float(passive.get("ra", DEFAULT_RA)))
        self.cm = np.full(n, DEFAULT_CM)
        self.g_pas = np.full(n, DEFAULT_G_PAS)
        self.e_pas = np.full(n, float(passive.get("e_pas", DEFAULT_E_PAS)))
        self.ena, self.ek = np.full(n, DEFAULT_ENA), np.full(n, DEFAULT_EK)
        for entry in passive.get("cm", []):
            self.cm[self._sections(entry["section"])] = float(entry["cm"])
        #: mechanism -> (sections that have it, parameter -> value per section)
        self.mechanisms: dict[str, tuple[np.ndarray, dict[str, FloatArray]]] = {}
        for entry in fit["genome"]:
            if entry["section"] != WHOLE_CELL:
                self._insert(entry)
        for entry in conditions.get("erev", []):
            if entry["section"] == WHOLE_CELL:
                continue
            where = self._sections(entry["section"])
            self.ena[where] = float(entry["ena"])
            self.ek[where] = float(entry["ek"])

    def require_passive(self, passive: Mapping[str, Any]) -> None:
        """Perisomatic models must give Ra, e_pas and the capacitance of every kind of section."""
        given = {entry["section"] for entry in passive.get("cm", [])}
        present = {name for name, code in SECTION_TYPES.items() if (self.types == code).any()}
        missing = [key for key in ("ra", "e_pas") if key not in passive]
        missing += [f"cm of {name!r}" for name in sorted(present - given)]
        if missing:
            raise ModelError(
                f"no {', '.join(missing)}, which a perisomatic model needs",
                field="passive", fix="Add it, or use aibs_allactive, which has defaults.",
            )  # fmt: skip

    def _sections(self, name: str) -> np.ndarray:
        if name not in SECTION_TYPES:
            raise ModelError(
                f"unknown section {name!r}", field="section",
                fix=f"Use one of {', '.join(SECTION_TYPES)}.",
            )  # fmt: skip
        return self.types == SECTION_TYPES[name]

    def _insert(self, entry: Mapping[str, Any]) -> None:
        where, name, value = self._sections(entry["section"]), entry["name"], float(entry["value"])
        if "mechanism" not in entry:
            raise ModelError(
                f"the entry of {name!r} on {entry['section']!r} has no mechanism", field="genome",
                fix='Name its mechanism, or "" for a property of the section.',
            )  # fmt: skip
        mechanism = entry["mechanism"]
        if name in SECTION_PROPERTIES:
            getattr(self, name.lower())[where] = value
            return
        if not where.any():
            return
        if mechanism:
            has, _ = self.mechanisms.setdefault(mechanism, (np.zeros(len(self.types), bool), {}))
            has |= where
        owners = [m for m in self.mechanisms if name.endswith(f"_{m}")]
        owner = max(owners, key=len, default=None)
        if owner is None or (where & ~self.mechanisms[owner][0]).any():
            raise ModelError(
                f"{name!r} is set on {entry['section']!r} before its mechanism is inserted there",
                field="genome", fix="Name the mechanism in this or an earlier genome entry.",
            )  # fmt: skip
        parameter = name.removesuffix(f"_{owner}")
        values = self.mechanisms[owner][1].setdefault(parameter, np.full(len(self.types), np.nan))
        values[where] = value


def _filled(mechanism: str, parameter: str, values: FloatArray) -> FloatArray:
    """``values`` with the mechanism's default where the fit sets none."""
    unset = np.isnan(values)
    if unset.any():
        known = DENSITY[mechanism].parameters if mechanism in DENSITY else {}
        if parameter not in known:
            raise ModelError(
                f"{parameter}_{mechanism} is set on some sections only, and its default is unknown",
                field="genome", fix="Set it on every kind of section that has the mechanism.",
            )  # fmt: skip
        values = np.where(unset, known[parameter].default, values)
    return values


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
    length, distance = geometry(compartments.length), compartments.distance[at]
    mechanisms = {}
    for mechanism, (has, parameters) in biophysics.mechanisms.items():
        nodes = np.flatnonzero(real & has[tree.section])
        if len(nodes):
            mechanisms[mechanism] = MechanismTable(
                nodes.astype(np.int32),
                {
                    parameter: _filled(mechanism, parameter, values[tree.section[nodes]])
                    for parameter, values in parameters.items()
                },
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
    )
