"""What this process was started with: on which cores, and by a launcher of MPI (mpirun, srun)?

The latter is told by what launchers leave in the environment, so that nobody needs MPI to be told
no.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

#: Names of rank and number of ranks: of MPICH, Intel MPI, Cray MPICH and srun with PMI; of Open
#: MPI; of srun with PMIx. A batch script of SLURM that starts a program without srun sets none.
NAMES = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
)


def usable_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """The rank of this process, and how many were started; (0, 1) without a launcher."""
    for rank, size in NAMES:
        values = environment.get(rank, ""), environment.get(size, "")
        if all(value.isdecimal() for value in values):
            return int(values[0]), int(values[1])
    return 0, 1
