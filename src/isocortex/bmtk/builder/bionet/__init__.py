"""Places of synapses on reconstructed branches."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from isocortex.bmtk.builder.bionet.swc_reader import SWCReader, get_swc

__all__ = ["SWCReader", "get_swc", "rand_syn_locations"]


def rand_syn_locations(
    src: Any,
    trg: Mapping[str, Any],
    sections: Sequence[str] = ("soma", "apical", "basal"),
    distance_range: Sequence[float] = (0.0, 1.0e20),
    morphology_dir: str | os.PathLike[str] = "./components/morphologies",
    return_coords: bool = False,
    dL: float | None = None,
) -> list[float]:
    """Draw a place on the target for a synapse: a rule for ``add_properties``.

    Parameters
    ----------
    sections, distance_range : where it may be, um from the soma along the branches.
    dL : um, how finely sections are cut; by default not at all.

    Returns
    -------
    Section, place in it (0..1), point of the file and how far before it; then, if asked for, x, y
    and z in um.
    """
    swc = get_swc(trg, morphology_dir=morphology_dir, use_cache=True, dL=dL)
    (section,), (x,) = swc.choose_sections(sections, distance_range)
    place = [section, x, *swc.get_swc_id(section, x)]
    return [*place, *swc.get_coords(section, x)] if return_coords else place
