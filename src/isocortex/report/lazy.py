"""Compartment reports as xarray arrays whose values are read from disk when they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from isocortex.errors import InputError

try:
    import xarray as xr
    from xarray.backends import BackendArray
    from xarray.core import indexing
except ImportError as error:
    raise InputError(
        "reports are returned as xarray arrays and xarray is not installed",
        fix="Install it: pip install xarray.",
    ) from error


class _Dataset(BackendArray):
    """An HDF5 dataset; the file is open only while values are read."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.name, self.shape, self.dtype = path, name, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[int | slice, ...]) -> np.ndarray:
        with h5py.File(self.path, "r", locking=False) as file:
            return file[self.name][key]


def open_report(path: Path, population: str | None = None) -> xr.DataArray:
    """One population of a SONATA compartment report, over ``time`` (ms) and ``element``."""
    with h5py.File(path, "r", locking=False) as file:
        populations = list(file["report"])
        if population is None and len(populations) == 1:
            population = populations[0]
        if population not in populations:
            raise InputError(
                "holds several populations" if population is None else f"has no {population!r}",
                file=path,
                fix=f"Name one of {', '.join(populations)}.",
            )
        group = file["report"][population]
        data, mapping = group["data"], group["mapping"]
        counts = np.diff(mapping["index_pointer"][:].astype(np.int64))
        start, _, dt = mapping["time"][:]
        first = data.attrs.get("first_sample", start + dt)
        coords = {
            "time": _grid(first, dt, data.shape[0]),
            "node_id": ("element", np.repeat(mapping["node_ids"][:].astype(np.int64), counts)),
            "element_id": ("element", mapping["element_ids"][:].astype(np.int64)),
            "element_pos": ("element", mapping["element_pos"][:]),
        }
        attributes = {
            "variable": data.attrs.get("variable", path.stem),
            "units": data.attrs.get("units", ""),
            "population": population,
        }
        lazy = indexing.LazilyIndexedArray(_Dataset(path, data.name, data.shape, data.dtype))
    return xr.DataArray(
        xr.Variable(("time", "element"), lazy),
        coords=coords,
        name=attributes["variable"],
        attrs=attributes,
    )


def open_potential(path: Path) -> xr.DataArray:
    """A file of potentials outside cells, mV, over ``time`` (ms) and ``channel``.

    The attribute ``head`` holds centre and radii (um) of a head in which they were computed.
    """
    with h5py.File(path, "r", locking=False) as file:
        data, channel = file["ecp/data"], file["ecp/channel_id"]
        coords: dict[str, Any] = {"time": _times(file["ecp"]), "channel": channel[:]}
        if "position" in channel.attrs:
            places = zip("xyz", channel.attrs["position"].T, strict=True)
            coords |= {axis: ("channel", place, {"units": "um"}) for axis, place in places}
        if "name" in channel.attrs:
            coords["name"] = ("channel", [str(each) for each in channel.attrs["name"]])
        told = {"units": "mV"}
        if "head" in channel.attrs:
            told["head"] = channel.attrs["head"]
        lazy = indexing.LazilyIndexedArray(_Dataset(path, data.name, data.shape, data.dtype))
    variable = xr.Variable(("time", "channel"), lazy)
    return xr.DataArray(variable, coords=coords, name=path.stem, attrs=told)


def open_dipole(path: Path) -> xr.DataArray:
    """A file of dipole moments, nA um, over ``time`` (ms), ``group`` and ``axis``."""
    with h5py.File(path, "r", locking=False) as file:
        room = file["dipole"]
        values = room["data"][:].reshape(len(room["data"]), -1, 3)
        coords = {
            "time": _times(room), "group": room["group"].asstr()[:], "axis": list("xyz"),
        }  # fmt: skip
    dimensions = ("time", "group", "axis")
    return xr.DataArray(values, coords, dimensions, name=path.stem, attrs={"units": "nA um"})


def _times(room: h5py.Group) -> tuple[str, np.ndarray, dict[str, Any]]:
    """When the samples of a file that is of no population were taken, ms."""
    start, _, dt = room["time"][:]
    first = room["time"].attrs.get("first_sample", start + dt)
    return _grid(first, dt, room["data"].shape[0])


def _grid(first: float, dt: float, n: int) -> tuple[str, np.ndarray, dict[str, Any]]:
    """The coordinate ``time``, ms; a single sample tells no interval, so ``dt`` stands with it."""
    told = {"units": "ms", "first": float(first), "dt": float(dt)}
    return "time", first + dt * np.arange(n), told
