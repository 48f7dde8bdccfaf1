"""NWB files as the Allen Institute publishes them, with invented contents."""

import h5py
import numpy as np


def write_sweeps(path, sweeps: dict[str, np.ndarray], rate: float) -> None:
    """A file of the Cell Types Database: stimuli by sweep, in A, at ``rate`` Hz."""
    with h5py.File(path, "w") as file:
        for name, amps in sweeps.items():
            series = file.create_group(f"stimulus/presentation/{name}")
            series["data"] = np.asarray(amps, np.float32)
            series["data"].attrs["unit"] = "A"
            series["starting_time"] = 0.0
            series["starting_time"].attrs["rate"] = float(rate)
            file[f"epochs/{name}/stimulus/timeseries"] = h5py.SoftLink(series.name)


def write_units(path, trains: dict[int, list[float]], columns=None, electrodes=None, **intervals):
    """A recording with sorted units in NWB 2, as pynwb writes it.

    Parameters
    ----------
    trains : spike times, s, by id of the unit.
    columns : of the units, such as ``peak_channel_id``.
    electrodes : their columns, ``id`` among them.
    intervals : tables of them by name: columns, ``start_time`` and ``stop_time`` (s) among them.
    """
    with h5py.File(path, "w") as file:
        header = {"neurodata_type": "NWBFile", "namespace": "core", "nwb_version": "2.2.2"}
        file.attrs.update(header | {"object_id": f"0-{path.name}"})
        for name, value in (
            ("session_description", "invented"),
            ("identifier", path.name),
            ("session_start_time", "2020-01-01T00:00:00+00:00"),
            ("timestamps_reference_time", "2020-01-01T00:00:00+00:00"),
        ):
            file[name] = value
        file["file_create_date"] = np.array(["2020-01-01T00:00:00+00:00"], object)
        for name in (
            "acquisition",
            "analysis",
            "processing",
            "stimulus/presentation",
            "stimulus/templates",
            "general",
        ):
            file.create_group(name)
        units = _table(file, "units", "Units", list(trains), columns or {})
        _column(units, "spike_times", np.concatenate([np.zeros(0), *trains.values()]))
        ends = np.cumsum([len(train) for train in trains.values()])
        _column(units, "spike_times_index", ends.astype(np.uint64), "VectorIndex")
        units["spike_times_index"].attrs["target"] = units["spike_times"].ref
        units.attrs["colnames"] = [*(columns or {}), "spike_times"]
        if electrodes is not None:
            ids = electrodes.pop("id")
            name = "general/extracellular_ephys/electrodes"
            _table(file, name, "DynamicTable", ids, electrodes)
        for name, table in intervals.items():
            count = range(len(table["start_time"]))
            _table(file, f"intervals/{name}", "TimeIntervals", count, table)


def _table(file, name, kind, ids, columns):
    table = file.create_group(name)
    table.attrs.update(
        {"neurodata_type": kind, "description": "invented", "object_id": f"1-{name}"}
    )
    table.attrs["namespace"] = "hdmf-common" if kind == "DynamicTable" else "core"
    table.attrs["colnames"] = list(columns)
    _column(table, "id", np.array(list(ids), np.int64), "ElementIdentifiers")
    for key, values in columns.items():
        values = np.asarray(values)
        _column(table, key, values.astype(object) if values.dtype.kind == "U" else values)
    return table


def _column(table, name, values, kind="VectorData"):
    if values.dtype.kind == "O":
        table.create_dataset(name, data=values, dtype=h5py.string_dtype())
    else:
        table[name] = values
    table[name].attrs.update({
        "neurodata_type": kind, "namespace": "hdmf-common", "description": "invented",
        "object_id": f"2-{table.name}-{name}",
    })  # fmt: skip
