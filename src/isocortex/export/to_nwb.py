"""A result as a file of Neurodata Without Borders (NWB 2), by pynwb."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from isocortex import __version__
from isocortex.errors import ConfigError, disk_errors
from isocortex.export.contents import (
    Recording,
    SessionFacts,
    Units,
    end_of,
    facts_of,
    free_name,
    nodes_at_hand,
    recordings_of,
    units_of,
)
from isocortex.report.results import Result

if TYPE_CHECKING:
    from pynwb import NWBFile, TimeSeries

#: Units of reports -> unit in the file and what its numbers have to be multiplied by. The numbers
#: are those of the report.
SI = {
    "mV": ("volts", 1e-3), "nA": ("amperes", 1e-9), "mM": ("molar", 1e-3), "uS": ("siemens", 1e-6),
}  # fmt: skip
#: Bytes of a report that are in memory at one time, GB.
AT_ONCE = 0.1


def write_nwb(result: Result, path: str | Path, config: str | Path | None = None) -> Path:
    """Write spikes and reports of a result as one NWB file; an earlier one is replaced.

    Parameters
    ----------
    path : the file, whose name ends in ``.nwb``.
    config : the configuration, if the result does not name it.

    Returns
    -------
    The file. It holds a row of ``units`` for every cell that could spike, silent ones included,
    with population, node id and all attributes of the node; spike times are the results' in s.
    Reports are there sample for sample: potentials outside cells as ElectricalSeries in
    ``processing/ecephys/LFP``, all others as TimeSeries in ``acquisition``, whose columns a table
    of the same name in ``processing/misc`` tells.

    Raises
    ------
    ConfigError : pynwb is not installed, or the name does not end in ``.nwb``.
    """
    try:
        from pynwb import NWBHDF5IO
    except ImportError as error:
        raise ConfigError(
            "NWB files need the package pynwb", fix="Install it: pip install 'isocortex[nwb]'."
        ) from error
    path = Path(path)
    if path.suffix != ".nwb":
        raise ConfigError(
            "the name of an NWB file ends in .nwb", file=path, fix=f"Call it {path.stem}.nwb."
        )
    file = _session(facts_of(result))
    units = units_of(result, nodes_at_hand(result, config))
    file.units = _units(units, result)
    for told in recordings_of(result):
        recording = replace(told, name=_spelled(told.name))
        if recording.kind == "potential":
            _lfp(file).add_electrical_series(_electrical(file, recording))
        else:
            file.add_acquisition(_series(file, recording, units))
    fresh = path.with_name(f".{path.stem}.{os.getpid()}.nwb")
    with disk_errors(path, "write the NWB file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with NWBHDF5IO(fresh, "w") as disk:
                disk.write(file)
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    return path


def _session(facts: SessionFacts) -> NWBFile:
    from pynwb import NWBFile

    made = [(facts.simulator, facts.version)] if facts.version else []
    return NWBFile(
        session_description=facts.description,
        identifier=str(uuid4()),
        session_start_time=facts.started,
        notes=facts.provenance or None,
        was_generated_by=[*made, ("Isocortex (export)", __version__)],
    )


def _units(units: Units, result: Result) -> Any:
    """The table of units: its columns are whole arrays, and no cell is looked at by itself."""
    from hdmf.common import ElementIdentifiers
    from pynwb.misc import Units as UnitsTable

    n = len(units.ends)
    taken = _words(UnitsTable)
    attributes = {key: free_name(_spelled(key), taken) for key in units.attributes}
    times = _column("spike_times", "When the cell spiked, s.", _packed(units.times / 1000.0))
    watched = np.tile(np.array([result.begin, end_of(result, units)]) / 1000.0, (n, 1))
    observed = _column("obs_intervals", "Simulated time, s.", _packed(watched))
    columns = [
        times,
        _index(times, units.ends),
        observed,
        _index(observed, np.arange(1, n + 1)),
        _column("population", "Population of the node.", _packed(units.population)),
        _column("node_id", "Id of the node in its population.", _packed(units.node_id)),
        *(
            _column(name, f"Attribute {key} of the node.", _packed(units.attributes[key]))
            for key, name in attributes.items()
        ),
    ]  # fmt: skip
    dt = result.provenance.get("run", {}).get("dt")
    return UnitsTable(
        name="units",
        description="Every cell that could spike.",
        id=ElementIdentifiers(name="id", data=np.arange(n)),
        columns=columns,
        resolution=None if dt is None else float(dt) / 1000.0,
    )


def _words(table: type) -> set[str]:
    """What no column of a table can be called: NWB has it for something else, or we do."""
    columns = {column["name"] for column in getattr(table, "__columns__", ())}
    columns |= {"id", "population", "node_id"}
    return {*dir(table), *columns, *(f"{name}_index" for name in columns)}


def _spelled(name: str) -> str:
    """A name without the two signs that NWB does not allow in one."""
    return name.replace("/", "_").replace(":", "_")


def _column(name: str, description: str, data: Any) -> Any:
    from hdmf.common import VectorData

    return VectorData(name=name, description=description, data=data)


def _index(lists: Any, ends: np.ndarray) -> Any:
    """Where the list of each row ends in a column of lists."""
    from hdmf.common import VectorIndex

    ends = _packed(ends.astype(np.uint64))
    return VectorIndex(name=f"{lists.name}_index", data=ends, target=lists)


def _packed(values: np.ndarray) -> Any:
    """An array as it is to be stored: compressed, if there is anything in it."""
    from hdmf.backends.hdf5 import H5DataIO

    if len(values) == 0:
        return values
    return H5DataIO(values, compression="gzip", compression_opts=1, shuffle=True)


def _samples(recording: Recording) -> Any:
    """The samples of a report, which go from disk to disk in pieces."""
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import GenericDataChunkIterator

    class Samples(GenericDataChunkIterator):
        def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
            return recording.samples[selection].values

        def _get_maxshape(self) -> tuple[int, ...]:
            return recording.samples.shape

        def _get_dtype(self) -> np.dtype:
            return recording.samples.dtype

    if recording.samples.size == 0:
        return recording.samples.values
    return H5DataIO(
        Samples(buffer_gb=AT_ONCE), compression="gzip", compression_opts=1, shuffle=True
    )


def _timing(recording: Recording) -> dict[str, float]:
    """Begin (s) and rate (Hz) of the samples."""
    return {"starting_time": recording.start / 1000.0, "rate": 1000.0 / recording.dt}


def _series(file: NWBFile, recording: Recording, units: Units) -> TimeSeries:
    """What is of membranes, or of the whole brain."""
    from hdmf.common import DynamicTable, DynamicTableRegion
    from pynwb import TimeSeries

    columns = [
        _column(name, f"{name} of each column of the samples.", _packed(values))
        for name, values in recording.columns.items()
    ]
    if recording.population:
        rows = units.rows(recording.population, recording.columns["node_id"])
        cell = DynamicTableRegion(
            name="unit", data=_packed(rows), table=file.units,
            description="The cell's row in the table of units.",
        )  # fmt: skip
        columns.append(cell)
    table = DynamicTable(
        name=recording.name, columns=columns,
        description=f"The columns of acquisition/{recording.name}.",
    )  # fmt: skip
    _module(file, "misc", "What the columns of the recordings are, by their names.").add(table)
    unit, conversion = SI.get(recording.units, (recording.units or "unknown", 1.0))
    of = f" of {recording.population}" if recording.population else ""
    return TimeSeries(
        name=recording.name, data=_samples(recording), unit=unit, conversion=conversion,
        description=f"{recording.variable}{of}, simulated.",
        comments=f"Columns: processing/misc/{recording.name}.", **_timing(recording),
    )  # fmt: skip


def _module(file: NWBFile, name: str, description: str) -> Any:
    """A processing module, made when it is first asked for."""
    if name not in file.processing:
        file.create_processing_module(name=name, description=description)
    return file.processing[name]


def _lfp(file: NWBFile) -> Any:
    """Where viewers look for potentials, and what Neo, which cannot read them, leaves alone."""
    from pynwb.ecephys import LFP

    module = _module(file, "ecephys", "Potentials outside cells.")
    if "LFP" not in module.data_interfaces:
        module.add(LFP(name="LFP"))
    return module["LFP"]


def _electrical(file: NWBFile, recording: Recording) -> Any:
    """Potentials outside cells, and their contacts among the electrodes."""
    from pynwb.ecephys import ElectricalSeries

    device = file.create_device(name=f"{recording.name}_probe", description="A simulated probe.")
    group = file.create_electrode_group(
        name=recording.name, description=f"Contacts of the report {recording.name}.",
        location="see x, y and z", device=device,
    )  # fmt: skip
    if file.electrodes is None:
        file.add_electrode_column(
            name="channel", description="Number of the contact in its report."
        )
    first = 0 if file.electrodes is None else len(file.electrodes)
    places = {axis: recording.columns[axis] for axis in "xyz" if axis in recording.columns}
    for k, channel in enumerate(recording.columns["channel"].tolist()):
        at = {axis: float(values[k]) for axis, values in places.items()}
        file.add_electrode(**at, location="unknown", group=group, channel=channel)
    rows = list(range(first, first + len(recording.columns["channel"])))
    return ElectricalSeries(
        name=recording.name, data=_samples(recording), conversion=SI["mV"][1],
        electrodes=file.create_electrode_table_region(
            region=rows, description=f"Contacts of {recording.name}."
        ),
        description="Potential outside cells against a reference at infinity, not filtered.",
        **_timing(recording),
    )  # fmt: skip
