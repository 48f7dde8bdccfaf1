"""Tables of networks and spikes."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from isocortex.bmtk.analyzer.spike_trains import to_dataframe as spikes_table
from isocortex.sonata.nodes import read_nodes

__all__ = ["node_types_table", "nodes_table", "spikes_table"]


def nodes_table(nodes_file: str | os.PathLike[str], population: str) -> pd.DataFrame:
    """A row per node of a file, without what its types say."""
    nodes = {each.name: each for each in read_nodes(Path(nodes_file), None)}[population]
    return nodes.table.assign(node_id=nodes.node_ids)


def node_types_table(
    node_types_file: str | os.PathLike[str], population: str | None = None
) -> pd.DataFrame:
    """The table of types of a file."""
    return pd.read_csv(node_types_file, sep=" ")
