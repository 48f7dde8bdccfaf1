"""Where the potential outside cells is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from isocortex.arrays import FloatArray
from isocortex.cells.head import Head


@dataclass(frozen=True, slots=True)
class Contacts:
    """The contacts of an electrode.

    Attributes
    ----------
    position : float64[contacts, 3], um, in the coordinates of the nodes.
    closest : um; nearer to a compartment's axis than this, a contact counts as this far away. None
        stands for the radius of each compartment.
    contributions : folder for a file with the potential of each cell, or None.
    head : in which they are, outside the brain or on it; None stands for a medium without borders.
        ``closest`` is then how deep in the brain the cells lie at the least.
    names : of the contacts, for people; may be none.
    """

    position: FloatArray
    closest: float | None = 0.0
    contributions: str | None = None
    head: Head | None = None
    names: tuple[str, ...] = ()
