"""What edges that are gap junctions cannot be."""

from __future__ import annotations

from isocortex.arrays import FloatArray, IntArray
from isocortex.circuit import NodePopulation
from isocortex.errors import InputError

#: The nodes of a population, and which of them edges have at one end, by row.
End = tuple[NodePopulation, IntArray]


def require_possible(
    gaps: IntArray, ends: tuple[End, End], weight: FloatArray, nsyns: FloatArray
) -> None:
    """Refuse gap junctions that there cannot be.

    Parameters
    ----------
    gaps : int64[k], those of the edges that are gap junctions.
    ends : sources and targets of all edges.
    weight, nsyns : float64[m], of all edges.

    Raises
    ------
    InputError : with the first of them.
    """
    (source, source_rows), (target, target_rows) = ends
    bad = [
        (gaps[weight[gaps] < 0], "has a conductance (syn_weight) below 0",
         "Conductances are 0 uS or more."),
        (gaps[nsyns[gaps] > 1], "has an nsyns above 1",
         "Write an edge for each gap junction: BMTK makes one of an edge."),
    ]  # fmt: skip
    if source is target:
        own = gaps[source_rows[gaps] == target_rows[gaps]]
        bad.append((own, "leads from a cell to itself", "Remove it."))
    for nodes, rows in ends:
        outside = gaps[~nodes.biophysical[rows[gaps]]]
        bad.append((outside, f"ends on a node of {nodes.name!r} that is not biophysical",
                    "Gap junctions are between two biophysical cells."))  # fmt: skip
    for which, what, fix in bad:
        if len(which):
            raise InputError(f"edge {which[0]} is a gap junction and {what}", fix=fix)
