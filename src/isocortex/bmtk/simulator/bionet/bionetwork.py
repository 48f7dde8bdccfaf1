"""The network of a simulation as scripts hold it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pandas as pd

from isocortex.bmtk.simulator.bionet.absent import AbsentError
from isocortex.bmtk.simulator.bionet.config import Config
from isocortex.circuit import NodePopulation
from isocortex.sonata.config import load_nodes


class BioNetwork:
    """What a configuration has of nodes; cells and synapses are built when it is simulated."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @classmethod
    def from_config(cls, conf: Config, **_: Any) -> BioNetwork:
        return cls(conf)

    def build(self) -> None:
        """Nothing: the simulator builds cells and synapses."""

    @cached_property
    def node_populations(self) -> list[NodePopulation]:
        return list(load_nodes(self.config.file()).values())

    def node_properties(self, populations: str | list[str] | None = None) -> pd.DataFrame:
        """A row per node, by population and node_id, with all that is known of it."""
        names = [populations] if isinstance(populations, str) else populations
        frames = [
            nodes.table.assign(population=nodes.name, node_id=nodes.node_ids)
            for nodes in self.node_populations if names is None or nodes.name in names
        ]  # fmt: skip
        return pd.concat(frames).set_index(["population", "node_id"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AbsentError(
            "is of NEURON's cells and connections, which are not there", field=f"BioNetwork.{name}",
            fix="Look into the simulation by sim.session (voltage, record, spikes), and change it "
            "by weights in the edges' files, `connection_overrides` or `isocortex.changes`.",
        )  # fmt: skip
