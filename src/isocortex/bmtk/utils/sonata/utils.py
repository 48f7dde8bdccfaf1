"""What marks an HDF5 file as SONATA's."""

import h5py

from isocortex.report.hdf5 import SONATA_MAGIC, SONATA_VERSION


def add_hdf5_magic(hdf5_handle: h5py.File) -> None:
    """Say that a file is one."""
    hdf5_handle["/"].attrs["magic"] = SONATA_MAGIC


def add_hdf5_version(hdf5_handle: h5py.File) -> None:
    """Say of which version it is."""
    hdf5_handle["/"].attrs["version"] = SONATA_VERSION
