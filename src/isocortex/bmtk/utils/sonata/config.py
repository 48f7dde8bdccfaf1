"""Configurations, under the name that scripts which only read them know."""

from isocortex.bmtk.simulator.bionet.config import Config as SonataConfig

__all__ = ["SonataConfig", "from_dict", "from_json"]

from_dict, from_json = SonataConfig.from_dict, SonataConfig.from_json
