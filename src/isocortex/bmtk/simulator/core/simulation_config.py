"""Configurations, under the name that BMTK's simulators share."""

from isocortex.bmtk.simulator.bionet.config import Config as SimulationConfig

__all__ = ["SimulationConfig", "from_dict", "from_json"]

from_dict, from_json = SimulationConfig.from_dict, SimulationConfig.from_json
