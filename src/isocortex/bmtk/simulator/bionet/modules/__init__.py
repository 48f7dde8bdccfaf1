from typing import Any

from isocortex.bmtk.simulator.bionet.modules.sim_module import SimulatorMod
from isocortex.errors import ConfigError

__all__ = ["SimulatorMod"]

#: Modules of BMTK, and what there is in their place.
INSTEAD = {
    name: f"Ask for it in `{section}` of the configuration."
    for section, names in {
        "output": ["SpikesMod"],
        "reports": ["MembraneReport", "SomaReport", "EcpMod", "NetconReport", "ClampReport"],
        "inputs": ["IClampMod", "SEClamp", "XStimMod", "ComsolMod", "BioECEphysUnitsModule"],
    }.items()
    for name in names
}
INSTEAD["SaveSynapses"] = (
    "Weights are in the files of edges: change them there, by `connection_overrides`, or by a "
    "function for weights."
)


def __getattr__(name: str) -> Any:
    if name in INSTEAD:
        raise ConfigError("works on objects of NEURON", field=f"modules.{name}", fix=INSTEAD[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
