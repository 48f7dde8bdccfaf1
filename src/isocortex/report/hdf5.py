"""What all HDF5 outputs share: SONATA's root attributes, provenance and room on the disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SONATA_MAGIC = np.uint32(0x0A7A)
SONATA_VERSION = np.array([0, 1], dtype=np.uint32)

#: Bytes claimed besides the data of a write, for HDF5's own tables.
RESERVE = 1024**2

Provenance = Mapping[str, Any]


def reserve(file: h5py.File, n_bytes: int) -> None:
    """Claim disk space for the next write, or raise OSError while the file is still whole.

    HDF5 does not survive a failed write: it cannot close the file any more and crashes. The
    claim lies behind the end of the file, where HDF5 is about to write.
    """
    path, n_bytes = Path(file.filename), n_bytes + RESERVE
    free = shutil.disk_usage(path.parent).free
    if free < n_bytes:
        raise OSError(errno.ENOSPC, f"No space left on device ({free} bytes are free)")
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as raw:
            try:
                os.posix_fallocate(raw.fileno(), file.id.get_filesize(), n_bytes)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise


def create_file(path: Path, provenance: Provenance | None) -> h5py.File:
    """New HDF5 file with SONATA's ``magic`` and ``version``, and provenance, as root attributes."""
    path.write_bytes(bytes(RESERVE))  # a full disk shows here, not inside HDF5
    file = h5py.File(path, "w")
    file.attrs["magic"] = SONATA_MAGIC
    file.attrs["version"] = SONATA_VERSION
    tell_provenance(file, provenance)
    return file


def tell_provenance(file: h5py.File, provenance: Provenance | None) -> None:
    """Store where a file comes from as root attributes."""
    for name, value in (provenance or {}).items():
        if value is not None:
            plain = isinstance(value, str | int | float)
            file.attrs[name] = value if plain else json.dumps(value)
