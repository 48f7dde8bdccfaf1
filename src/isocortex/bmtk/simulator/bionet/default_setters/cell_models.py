"""What functions of scripts make cells ready with: another axon, and the parameters of their file.

Such a function is given a :class:`Body` in place of a cell of NEURON. It may call what is here, in
the order of BMTK: what it has called says which cell it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isocortex.bmtk.simulator.bionet.absent import AbsentError
from isocortex.errors import ModelError

Parameters = Mapping[str, Any]


class Body:
    """What was asked for of a cell.

    Attributes
    ----------
    processing : the ``model_processing`` whose axon it has, None for that of the reconstruction.
    parameters : what was set of all of the cell.
    absent : what was asked for and a cell of NEURON has, also if a function passes over it.
    """

    __slots__ = ("absent", "parameters", "processing")

    def __init__(self) -> None:
        self.processing: str | None = None
        self.parameters: Parameters | None = None
        self.absent: AbsentError | None = None

    def __getattr__(self, name: str) -> Any:
        self.absent = AbsentError("is of a cell of NEURON, which is not there", field=name)
        raise self.absent


def _axon(processing: str) -> Callable[[Body], None]:
    def fix(hobj: Body) -> None:
        if hobj.processing is not None:
            raise ModelError("it replaces the axon twice")
        # the new axon has no parameters yet
        hobj.processing, hobj.parameters = processing, None

    return fix


fix_axon_peri = _axon("aibs_perisomatic")
fix_axon_allactive = _axon("aibs_allactive")
fix_axon_perisomatic_directed = _axon("aibs_perisomatic_directed")
fix_axon_allactive_directed = _axon("aibs_allactive_directed")


def set_params_peri(hobj: Body, biophys_params: Parameters) -> None:
    """Set channels and passive properties by section."""
    hobj.parameters = biophys_params


def set_params_allactive(hobj: Body, params_dict: Parameters) -> None:
    """The same: which sections a file has parameters of is read from the file."""
    hobj.parameters = params_dict


def aibs_perisomatic(hobj: Body, cell: Any, dynamics_params: Parameters | None) -> Body:
    """Replace the axon by a stub and set parameters, if there are any."""
    if dynamics_params is not None:
        fix_axon_peri(hobj)
        set_params_peri(hobj, dynamics_params)
    return hobj


def _processing(fix: Callable[[Body], None]) -> Callable[[Body, Any, Parameters], Body]:
    def processing(hobj: Body, cell: Any, dynamics_params: Parameters) -> Body:
        fix(hobj)
        set_params_allactive(hobj, dynamics_params)
        return hobj

    return processing


aibs_allactive = _processing(fix_axon_allactive)
aibs_perisomatic_directed = _processing(fix_axon_perisomatic_directed)
aibs_allactive_directed = _processing(fix_axon_allactive_directed)
