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
    """The tables of a recording with sorted units, as NWB 2 has them.

    Parameters
    ----------
    trains : spike times, s, by id of the unit.
    columns : of the units, such as ``peak_channel_id``.
    electrodes : their columns, ``id`` among them.
    intervals : tables of them by name: columns, ``start_time`` and ``stop_time`` (s) among them.
    """
    with h5py.File(path, "w") as file:
        units = _table(file, "units", list(trains), columns or {})
        units["spike_times"] = np.concatenate([np.zeros(0), *trains.values()])
        units["spike_times_index"] = np.cumsum([len(train) for train in trains.values()])
        if electrodes is not None:
            ids = electrodes.pop("id")
            _table(file, "general/extracellular_ephys/electrodes", ids, electrodes)
        for name, table in intervals.items():
            _table(file, f"intervals/{name}", range(len(table["start_time"])), table)


def _table(file, name, ids, columns):
    table = file.create_group(name)
    table["id"] = np.array(list(ids), np.int64)
    for key, values in columns.items():
        array = np.asarray(values)
        if array.dtype.kind == "U":
            table.create_dataset(key, data=array.astype(object), dtype=h5py.string_dtype())
        else:
            table[key] = array
    return table
