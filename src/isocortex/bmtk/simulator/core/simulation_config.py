"""Configurations, under the name that BMTK's simulators share."""

from isocortex.bmtk.utils.sonata.config import SonataConfig as SimulationConfig
from isocortex.bmtk.utils.sonata.config import from_dict, from_json

__all__ = ["SimulationConfig", "from_dict", "from_json"]
