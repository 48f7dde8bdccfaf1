"""Scripts that were written for BMTK's BioNet: they import ``isocortex.bmtk`` for ``bmtk``.

>>> from isocortex.bmtk import NetworkBuilder, bionet  # doctest: +SKIP

The modules lie where BMTK's do, so that deeper imports change in the same way. Names and arguments
are BMTK's (AllenInstitute/bmtk; Dai et al. 2020, doi:10.1371/journal.pcbi.1008386); what they do is
done by the rest of the package.
"""

from isocortex.bmtk.builder import NetworkBuilder
from isocortex.bmtk.simulator import bionet

__all__ = ["NetworkBuilder", "bionet"]

#: Of BMTK, whose names and arguments these are.
__version__ = "1.2.0"
