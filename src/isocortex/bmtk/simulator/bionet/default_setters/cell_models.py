"""What functions of scripts make cells ready with: another axon, and the parameters of their file.

Such a function is given a :class:`Body` in place of a cell of NEURON. It may call what is here, in
the order of BMTK: what it has called says which cell it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isocortex.bmtk.simulator.bionet.absent import AbsentError

Parameters = Mapping[str, Any]


class Body:
    """What was asked for of a cell.

    Attributes
    ----------
    axon : the ``model_processing`` whose axon it has, None for the one of the reconstruction.
    parameters : what was set.
    """

    def __init__(self) -> None:
        self.axon: str | None = None
        self.parameters: Parameters | None = None

    def __getattr__(self, name: str) -> Any:
        raise AbsentError(
            "is of a cell of NEURON, which is not there", field=name,
            fix="Call functions of default_setters.cell_models (fix_axon_peri, set_params_peri, "
            "...) alone; change channels by `conditions.modifications` or `isocortex.changes`.",
        )  # fmt: skip


def _axon(processing: str) -> Callable[[Body], None]:
    def fix(hobj: Body) -> None:
        hobj.axon = processing

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
