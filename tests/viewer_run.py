"""For the viewer: a cortex of 900 neurons with invented spikes, and a run of three cells."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from library_circuit import clamp, poisson, report, write_library_circuit

import isocortex
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel, Recipe
from isocortex.report.output import provenance, write_provenance
from isocortex.report.spikes import SpikeWriter
from isocortex.report.summary import Summary
from isocortex.viewer.server import ViewServer
from isocortex.viewer.session import Session, open_session

SPIKES = 4000
#: Of a run that came to its end.
FINISHED = Summary(*[1] * 7, tstop=1.0, n_steps=1, setup_seconds=0.0, compile_seconds=0.0,
                   run_seconds=1.0, peak_memory_mb=1.0).facts()  # fmt: skip
DURATION = 500.0  # ms


@contextmanager
def served(server: ViewServer) -> Iterator[ViewServer]:
    """A server that answers until the block ends."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def cortex_session(folder: Path, spikes: int = SPIKES, seed: int = 1) -> Session:
    """900 neurons of the atlas; spikes at random times, more of them in VISp than elsewhere."""
    config = build_cortex(folder, CortexModel.make(Recipe(scale=0.0001, seed=1)), tstop=DURATION)
    population = isocortex.load_simulation(config, cells_only=True).circuit.nodes["cortex"]
    random = np.random.default_rng(seed)
    weight = np.where(population.table["area"] == "VISp", 5.0, 1.0)
    ids = random.choice(population.node_ids, spikes, p=weight / weight.sum())
    times = np.round(random.uniform(0.1, DURATION - 0.1, spikes), 1)
    write_run(folder / "output", config, ids, times, len(population.node_ids))
    return open_session(folder / "output")


def write_run(folder: Path, config: Path, ids, times, n: int, duration: float = DURATION) -> None:
    """The output of a run that made these spikes."""
    folder.mkdir(exist_ok=True)
    facts = provenance({}, run={
        "tstop": duration, "dt": 0.1, "config_file": str(config),
        "populations": {"cortex": [[0, n]]}, "files": ["spikes.h5"],
    })  # fmt: skip
    write_provenance(folder, facts | {"summary": FINISHED | {"tstop": duration}})
    with SpikeWriter(folder / "spikes.h5", ["cortex"]) as writer:
        writer.append("cortex", ids, times)


def driven_cells(folder: Path):
    """Three cells under Poisson drive and a current, one of them recorded whole; the result."""
    config = write_library_circuit(
        folder, cells=3, drive=4,
        edges=[(0, 0, 3), (1, 0, 2), (2, 1, 4), (3, 2, 1)],
        recurrent=[(0, 1, 2), (1, 2, 3), (2, 0, 1)],
        inputs={"noise": poisson(200.0), "step": clamp(0.4, (0, 1, 2), duration=60.0)},
        run={"tstop": 80.0},
        reports={
            "v": report("v", "all", {"population": "cells", "node_id": [1]}, dt=0.5),
            "cai": report("cai", "all", {"population": "cells", "node_id": [1]}, dt=1.0),
            "soma": report("v", "soma", {"population": "cells", "node_id": [0]}),
        },
    )  # fmt: skip
    return isocortex.run(config, threads=1)
