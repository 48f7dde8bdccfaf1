"""BioNet with its modules ``xstim`` and ``comsol`` on libraries of today, where BMTK 1.2 stops.

    python run_bionet_fields.py simulation_config.json facts.json

BMTK asks for a callback that NEURON 9's vectors of pointers have no more, as their pointers stay
right without: here it is left out, and the pointers are set at once. It takes what SciPy
interpolates for whole numbers, which it was before 1.12. And it turns a cell by its angles whenever
its places are asked for, twice where a field is there and a potential is recorded: here once.
"""

import sys
from pathlib import Path

from bmtk.simulator.bionet.biocell import BioCell
from bmtk.simulator.bionet.modules import comsol
from neuron import h
from scipy.interpolate import NearestNDInterpolator

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from run_bionet import main  # noqa: E402


def setup_xstim(self: BioCell, set_nrn_mechanism: bool = True) -> None:
    self.ptr2e_extracellular = h.PtrVector(self.morphology.nseg)
    for section in self.hobj.all:
        section.insert("extracellular")
    self.set_ptr2e_extracellular()


def seg_coords(self: BioCell) -> object:
    if self._seg_coords is None:
        self._seg_coords = turned(self)
    return self._seg_coords


class Nearest(NearestNDInterpolator):
    def __call__(self, *args: object) -> object:
        return super().__call__(*args).astype(int)


turned = BioCell.seg_coords.fget
BioCell.seg_coords = property(seg_coords)
BioCell.setup_xstim = setup_xstim
comsol.NNip = Nearest

if __name__ == "__main__":
    main(*sys.argv[1:])
