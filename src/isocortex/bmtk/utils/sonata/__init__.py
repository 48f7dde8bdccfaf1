"""Files of SONATA: configurations alone. Tables and results have readers of their own."""

from typing import Any

from isocortex.errors import ConfigError

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name in ("config", "utils"):
        raise AttributeError(name)
    raise ConfigError(  # an AttributeError would say nothing where it is imported
        "is BMTK's reader of files, and not there", field=f"sonata.{name}",
        fix="Nodes are in analyzer.nodes_table, spikes in SpikeTrains, reports in "
        "CompartmentReport; or read the HDF5 files.",
    )  # fmt: skip
