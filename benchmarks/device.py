"""The GPU engine against the CPU engine: golden cells, a small network, a cortex at two scales.

    python benchmarks/device.py prepare FOLDER     # where circuits and reference models are
    python benchmarks/device.py run FOLDER         # where a GPU is; about four minutes

``prepare`` also compiles the GPU's kernels for compute capability 9.0 (H100, H200), which needs the
extra [cuda] and no GPU; elsewhere they are compiled when they are first run. Every stage is a
process with a limit of its own, and leaves a JSON in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
DEVICES = ("cuda", "cpu")
GOLDEN_MS, GOLDEN_DT = 400.0, 0.1
#: Circuits by name: their folder, and so many ms of them.
CIRCUITS = {"micro": 300.0, "cortex_0.001": 100.0, "cortex_0.01": 100.0}


class Elsewhere:
    """A GPU that is elsewhere: kernels are compiled for it, and nothing runs.

    ``found`` are the files of the kernels.
    """

    capability, shared, simulated = (9, 0), 226 * 1024, False

    def __init__(self) -> None:
        self.found: list[Path] = []

    def use(self) -> None:
        pass

    def put(self, array: np.ndarray) -> Any:
        from isocortex.targets.gpu import Array

        return Array(0, array.shape, array.dtype)

    def room(self, n: int, dtype: Any) -> Any:
        return self.put(np.empty(n, dtype))

    def write(self, to: Any, array: np.ndarray, at: int = 0) -> None:
        pass

    def read(self, array: Any, begin: int = 0, end: int | None = None) -> np.ndarray:
        return np.zeros(array.shape if end is None else end - begin, array.dtype).reshape(-1)

    def free(self, array: Any) -> None:
        pass

    def bind(self, kernel: Any, assembly: Path, arguments: tuple[Any, ...]) -> Any:
        from isocortex.targets.gpu import parameters_of, sizes_of

        if parameters_of(assembly.read_text())[1] != sizes_of(arguments):
            raise RuntimeError(f"{assembly} has other parameters than it will be given")
        self.found.append(assembly)
        return lambda blocks, first, last: None


def compiled_elsewhere(network: Any, settings: Any, probes: Any = None) -> list[Path]:
    """Assembly of all kernels that a network runs on a GPU that is not here."""
    from isocortex.engine import cuda

    machine, cuda.machine = cuda.machine, Elsewhere
    try:
        engine = cuda.CudaEngine(network, settings)
        if probes is not None:
            engine.record(probes)
        return list(dict.fromkeys(engine._machine.found))
    finally:
        cuda.machine = machine


def prepare(folder: Path, shared: Path) -> None:
    """Reference models, and kernels; circuits are to be built by hand."""
    sys.path.insert(0, str(HERE.parents[1] / "tests"))
    from golden import MODELS, compile_model

    from isocortex.cells.library import library_cells, load_cell
    from isocortex.engine.interface import ProbeTable, Settings, Variable
    from isocortex.network.network import bare_network

    os.environ["ISOCORTEX_CACHE"] = str(folder / "cache")
    golden = {}
    for name in MODELS:
        about = json.loads((shared / "golden" / name / "struct.json").read_text())["stim"]
        with np.load(shared / "golden" / name / f"steps_dt{GOLDEN_DT}.npz") as file:
            told = {key: file[key] for key in ("amps", "v_init", "celsius")}
            told |= {key: file[key] for key in file.files if key.startswith("spikes_")}
        golden[name] = (compile_model(shared, name), told, about)
    (folder / "golden.pickle").write_bytes(pickle.dumps(golden))
    models = [model for model, *_ in golden.values()]
    models += [load_cell(cells.index[0]) for _, cells in library_cells().groupby("channels")]
    network = bare_network(models, np.arange(len(models)), [])
    probes = ProbeTable.of([(0, 0, Variable("v"))])
    settings = Settings(dt=0.1, precision="single", device="cuda")
    print(*compiled_elsewhere(network, settings, probes), sep="\n")


def golden_cells(folder: Path, device: str, tstop: float) -> dict[str, Any]:
    """Every reference model under its current steps: spikes, and soma voltages, into a file."""
    from isocortex.circuit.signals import Pulses
    from isocortex.engine.interface import ProbeTable, Settings, Variable
    from isocortex.network.network import CurrentSource, bare_network

    left: dict[str, np.ndarray] = {}
    for name, (model, told, stimulus) in pickle.loads((folder / "golden.pickle").read_bytes()).items():
        amps = told["amps"]
        pulses = [Pulses([a], [stimulus["delay"]], [stimulus["dur"]]) for a in amps]
        sources = [CurrentSource(i, model.soma, pulse) for i, pulse in enumerate(pulses)]
        network = bare_network([model], np.zeros(len(amps), int), sources)
        engine = _engine(
            network, Settings(
                dt=GOLDEN_DT, celsius=float(told["celsius"]), v_init=float(told["v_init"]),
                precision="single", threads=1, device=device,
            ),
        )  # fmt: skip
        names = ("v", "cai")
        probes = [(i, model.soma, Variable(v)) for v in names for i in range(len(amps))]
        engine.record(ProbeTable.of(probes))
        cells, times, samples = engine.advance(round(tstop / GOLDEN_DT))
        left |= {f"{name}.cells": cells, f"{name}.times": times, f"{name}.samples": samples}
    np.savez(folder / f"golden_{device}.npz", **left)
    return {"spikes": int(sum(len(v) for k, v in left.items() if k.endswith(".times")))}


def _engine(network: Any, settings: Any) -> Any:
    from isocortex.session.engines import make_engine

    return make_engine(network, settings)


def circuit(folder: Path, name: str, device: str, tstop: float) -> dict[str, Any]:
    """A circuit, as `isocortex run` does it."""
    from isocortex import run

    result = run(
        folder / name / "simulation_config.json", tstop=tstop, precision="single", device=device,
        output_dir=folder / f"{name}_{device}", overwrite=True, store_synapses=True,
        announce=print,
    )  # fmt: skip
    done = result.run_summary
    return {
        "seconds": done.run_seconds, "tstop": done.tstop, "spikes": done.n_spikes,
        "events": done.n_events, "per_second": done.seconds_per_second,
    }  # fmt: skip


def stage(folder: Path, name: str, device: str, short: bool) -> None:
    """One stage in this process; leaves its JSON."""
    begun = time.perf_counter()
    if name == "golden":
        left = golden_cells(folder, device, 2.0 if short else GOLDEN_MS)
    else:
        left = circuit(folder, name, device, 2.0 if short else CIRCUITS[name])
    left["wall"] = time.perf_counter() - begun
    path = folder / f"{name}_{device}{'_short' * short}.json"
    path.write_text(json.dumps(left))
    print(json.dumps(left))


def start(folder: Path, name: str, device: str, short: bool = False) -> Any:
    """The same in another process, its words in a file."""
    words = (folder / f"{name}_{device}{'_short' * short}.log").open("w")
    command = [sys.executable, str(HERE), "stage", str(folder), name, device]
    here = {"ISOCORTEX_CACHE": os.environ.get("ISOCORTEX_CACHE") or str(folder / "cache")}
    path = os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(os.pathsep), *_paths(folder)])
    environment = os.environ | here | {"PYTHONPATH": path}
    return subprocess.Popen(
        command + ["--short"] * short, stdout=words, stderr=subprocess.STDOUT, env=environment
    )


def _paths(folder: Path) -> list[str]:
    """The package, and what of its dependencies was brought along."""
    return [str(HERE.parents[1] / "src"), str(folder / "site")]


def wait(running: dict[tuple[str, str], Any], seconds: float) -> None:
    """For all of them, so long at most."""
    until = time.monotonic() + seconds
    for (name, device), process in running.items():
        try:
            process.wait(max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            print(f"{name} on {device}: not done after its time", flush=True)


def run_all(folder: Path, seconds: float) -> None:
    """Compile everything at once, then every stage for itself; a table last."""
    until = time.monotonic() + seconds
    names = ["golden", *(name for name in CIRCUITS if (folder / name).exists())]
    unpack(folder)
    running = {
        (name, device): start(folder, name, device, short=True)
        for name in names[:3] for device in DEVICES
    }  # fmt: skip
    wait(running, 0.55 * seconds)
    print(f"compiled, {until - time.monotonic():.0f} s left", flush=True)
    lines = []
    try:
        for name in names:
            for devices in ([DEVICES] if name in ("golden", "micro") else [DEVICES[:1], DEVICES[1:]]):
                left = until - time.monotonic()
                if left > 15:
                    wait({(name, d): start(folder, name, d) for d in devices}, min(left, 150))
            lines += compared(folder, name)
            print(*lines[-1:], flush=True)
    finally:
        for log in sorted(folder.glob("*.log")):
            words = log.read_text(errors="replace").splitlines()
            if any("Error" in line or "Traceback" in line for line in words):
                print(f"--- {log.name}", *words[-25:], sep="\n", flush=True)
        print("---", *lines, sep="\n", flush=True)


def unpack(folder: Path) -> None:
    """Wheels that were brought along."""
    from zipfile import ZipFile

    for wheel in sorted((folder / "wheels").glob("*.whl")):
        ZipFile(wheel).extractall(folder / "site")


def compared(folder: Path, name: str) -> list[str]:
    """Lines of what both devices made of a stage."""
    try:
        if name == "golden":
            return compared_golden(folder)
        told = [json.loads((folder / f"{name}_{d}.json").read_text()) for d in DEVICES]
        spikes = [_spikes(folder / f"{name}_{d}" / "spikes.h5") for d in DEVICES]
        same, apart = agreement(*spikes)
        times = ", ".join(
            f"{d} {t['seconds']:.2f} s ({t['per_second']:.2f} s per s)"
            for d, t in zip(DEVICES, told, strict=True)
        )
        return [
            f"{name}, {told[0]['tstop']:g} ms: {times}; spikes {told[0]['spikes']} and "
            f"{told[1]['spikes']}, {same:.1%} of them in the same step, all until {apart:g} ms; "
            f"events {told[0]['events']} and {told[1]['events']}"
        ]
    except Exception as error:  # the table tells it
        return [f"{name}: {type(error).__name__} {error}"]


def compared_golden(folder: Path) -> list[str]:
    """One line a reference model."""
    cuda, cpu = (np.load(folder / f"golden_{device}.npz") for device in DEVICES)
    lines = []
    for key in cpu.files:
        if not key.endswith(".times"):
            continue
        name = key.removesuffix(".times")
        same = len(cuda[key]) == len(cpu[key]) and (
            np.array_equal(cuda[f"{name}.cells"], cpu[f"{name}.cells"])
            and np.abs(cuda[key] - cpu[key]).max(initial=0.0) < 1e-9
        )
        a, b = (npz[f"{name}.samples"] for npz in (cuda, cpu))
        half = a.shape[1] // 2
        mv = np.abs(a - b)[:, :half].max()
        lines.append(
            f"golden {name}: {len(cuda[key])} and {len(cpu[key])} spikes, "
            f"{'all in the same step' if same else 'NOT the same'}; at most {mv:.2g} mV apart"
        )
    return lines


def _spikes(file: Path) -> list[tuple[float, str, int]]:
    """(time, population, node), sorted."""
    import h5py

    found = []
    with h5py.File(file) as h5:
        for population, group in h5["spikes"].items():
            pairs = zip(group["timestamps"][:].tolist(), group["node_ids"][:].tolist(), strict=True)
            found += [(round(t, 4), population, n) for t, n in pairs]
    return sorted(found)


def agreement(one: list, other: list) -> tuple[float, float]:
    """Share of spikes that both have, and until when they have the same (ms)."""
    a, b = set(one), set(other)
    share = 2 * len(a & b) / max(len(a) + len(b), 1)
    return share, min((time for time, *_ in a ^ b), default=float("inf"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["prepare", "run", "stage"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name", nargs="?")
    parser.add_argument("device", nargs="?")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--shared", type=Path, default=HERE.parents[2] / "shared")
    options = parser.parse_args()
    if options.what == "prepare":
        prepare(options.folder, options.shared)
    elif options.what == "stage":
        stage(options.folder, options.name, options.device, options.short)
    else:
        run_all(options.folder, options.seconds)


if __name__ == "__main__":
    main()
