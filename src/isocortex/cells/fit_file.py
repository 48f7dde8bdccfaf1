"""The contents of a fit file, from the parameters of a cell by kind of section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from isocortex.cells.compiled import SECTION_TYPES
from isocortex.mechanisms import DENSITY

#: A parameter by SWC type, written as text.
ByKind = Mapping[str, float]
NAMES = {str(code): name for name, code in SECTION_TYPES.items()}
SOMA = str(SECTION_TYPES["soma"])
#: NEURON's reversal potentials, mV, where a fit says nothing of them.
UNTOLD = {"ena": 50.0, "ek": -77.0}


def fit_file(
    values: Mapping[str, ByKind],
    mechanisms: Mapping[str, tuple[Iterable[int], Mapping[str, ByKind]]],
    ra: ByKind,
    *,
    celsius: float,
    v_init: float,
) -> dict[str, Any]:
    """A fit as the Allen Cell Types Database has it.

    Parameters
    ----------
    values : ``cm`` (uF/cm2), ``g_pas`` (S/cm2), ``e_pas``, ``ena`` and ``ek`` (mV) of every kind of
        section that the cell has.
    mechanisms : name -> the SWC types that have it, and its parameters by kind.
    ra : ohm cm.
    celsius, v_init : degC, mV.
    """
    passive = {
        "ra": ra[SOMA],
        "cm": [{"section": NAMES[kind], "cm": cm} for kind, cm in values["cm"].items()],
        "e_pas": values["e_pas"][SOMA],
    }
    reversals = [
        {"section": NAMES[kind], "ena": ena, "ek": values["ek"][kind]}
        for kind, ena in values["ena"].items()
        if {"ena": ena, "ek": values["ek"][kind]} != UNTOLD
    ]
    genome = [
        _entry(kind, name, value)
        for name, by_kind, usual in (
            ("Ra", ra, ra[SOMA]), ("e_pas", values["e_pas"], values["e_pas"][SOMA]),
            ("g_pas", values["g_pas"], None),
        )
        for kind, value in by_kind.items() if kind in values["cm"] and value != usual
    ]  # fmt: skip
    for mechanism, (kinds, parameters) in mechanisms.items():
        genome += [
            _entry(kind, f"{parameter}_{mechanism}", value, mechanism)
            for parameter, by_kind in (parameters or _any_default(mechanism, kinds)).items()
            for kind, value in by_kind.items()
        ]
    conditions = {"celsius": celsius, "v_init": v_init, "erev": reversals}
    return {"passive": [passive], "conditions": [conditions], "genome": genome}


def _entry(kind: str, name: str, value: float, mechanism: str = "") -> dict[str, Any]:
    return {"section": NAMES[kind], "name": name, "value": value, "mechanism": mechanism}


def _any_default(mechanism: str, kinds: Iterable[int]) -> dict[str, dict[str, float]]:
    """A parameter to name a mechanism by that has none but its defaults."""
    name, parameter = next(iter(DENSITY[mechanism].parameters.items()))
    return {name: {str(kind): parameter.default for kind in kinds}}
