from typing import Any

from isocortex.bmtk.simulator.bionet.modules.sim_module import SimulatorMod
from isocortex.errors import ConfigError

__all__ = ["SimulatorMod"]

#: Modules of BMTK that sections of a configuration ask for.
IN_CONFIG = {
    **dict.fromkeys(("SpikesMod",), "output"),
    **dict.fromkeys(
        ("MembraneReport", "SomaReport", "EcpMod", "NetconReport", "ClampReport"), "reports"
    ),
    **dict.fromkeys(
        ("IClampMod", "SEClamp", "XStimMod", "ComsolMod", "BioECEphysUnitsModule"), "inputs"
    ),
}


def __getattr__(name: str) -> Any:
    if name in IN_CONFIG:
        raise ConfigError(
            "works on objects of NEURON", field=f"modules.{name}",
            fix=f"Ask for it in `{IN_CONFIG[name]}` of the configuration.",
        )  # fmt: skip
    if name == "SaveSynapses":
        raise ConfigError(
            "works on objects of NEURON", field=f"modules.{name}",
            fix="Weights are in the files of edges: change them there, by `connection_overrides`, "
            "or by a function for weights.",
        )  # fmt: skip
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
