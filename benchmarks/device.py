"""The GPU engine against the CPU engine: golden cells, circuits, cortices up to the whole one.

    python benchmarks/device.py prepare FOLDER     # where circuits and reference models are
    python benchmarks/device.py run FOLDER         # where a GPU is; some ten minutes
    python benchmarks/device.py run FOLDER --stages cortex_0.01:cpu cortex_0.01:drawn,mixed

``prepare`` also compiles the GPU's kernels for compute capability 9.0 (H100, H200), with --straight
those of single models too, which needs the extra [cuda] and no GPU; elsewhere they are compiled
when they are first run. FOLDER has circuits, for cortices those of ``isocortex build cortex -o
FOLDER/cortex_SCALE``, and in FOLDER/wheels what the machine with the GPU has not. Every stage is a
process with a limit of its own, and leaves a JSON in FOLDER; ``--stages`` are those that are run,
CIRCUIT:DEVICE, several devices side by side. Drawn and stored synapses are the same, so that spikes
are to be the CPU's. After a circuit's time every kernel is waited for, for one window: what each of
them takes when it runs alone, in ALONE_MS.
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
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).resolve()


class Device(NamedTuple):
    """How a circuit is run: with straight kernels, and with events that are made on the GPU."""

    device: str = "cuda"
    precision: str = "single"
    straight: bool = False
    events: bool = False
    stored: bool = True


DEVICES = {
    "cpu": Device("cpu"),
    "cuda": Device(),
    "straight": Device(straight=True),
    "events": Device(events=True),
    "both": Device(straight=True, events=True),
    "drawn": Device(straight=True, events=True, stored=False),
    "mixed": Device(precision="mixed", straight=True, events=True, stored=False),
    "cpu-mixed": Device("cpu", "mixed", stored=False),
}
GOLDEN = ("cuda", "cpu", "cuda-double", "cpu-double")
#: Pieces of ten windows, and how much longer kernels are waited for.
PIECE_MS, ALONE_MS = 9.0, 0.9
GOLDEN_MS, GOLDEN_DT = 400.0, 0.1
#: Circuits by name: their folder, and so many ms of them.
CIRCUITS = {
    "micro": 300.0, "cortex_0.001": 100.0, "cortex_0.01": 100.0, "cortex_0.1": 50.0,
    "cortex_1": 500.0, "cortex_1_20um": 100.0,
}  # fmt: skip
#: What is run, in this order; whole cortices for their time at most, s.
SMALL, LARGE = ("micro", "cortex_0.001", "cortex_0.01"), ("cortex_0.1", "cortex_1", "cortex_1_20um")
STAGES = (
    f"golden:{','.join(GOLDEN)}",
    *(f"{name}:{device}" for name in SMALL for device in DEVICES),
    *(f"{name}:{device}" for name in LARGE for device in ("drawn", "mixed")),
)
#: Seconds of a stage at most.
LIMIT = 150.0


def compiled_elsewhere(network: Any, settings: Any, probes: Any = None) -> list[Path]:
    """Assembly of all kernels that a network runs on an H100 or H200, which need not be here."""
    from isocortex.engine.cuda import CudaEngine
    from isocortex.targets.gpu import elsewhere

    with elsewhere((9, 0)) as gpu:
        engine = CudaEngine(network, settings)
        if probes is not None:
            engine.record(probes)
        return gpu.found


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
    for precision in ("single", "double", "mixed"):
        settings = Settings(dt=0.1, precision=precision, device="cuda")
        print(*compiled_elsewhere(network, settings, probes), sep="\n")


def prepare_straight(folder: Path) -> None:
    """The straight kernels of the cortex, which are the same at all scales, and those of events."""
    from isocortex.engine.interface import Settings
    from isocortex.network.build import build_network
    from isocortex.sonata.config import load_simulation

    ask_for("both")
    os.environ["ISOCORTEX_CACHE"] = str(folder / "cache")
    config = folder / "cortex_0.001" / "simulation_config.json"
    network = build_network(load_simulation(config), True)
    cores = len(os.sched_getaffinity(0))
    drawn = build_network(load_simulation(config), False)
    for precision in ("single", "mixed"):
        settings = Settings(dt=0.1, precision=precision, device="cuda", threads=cores)
        print(len(compiled_elsewhere(network, settings)), "kernels")
        print(len(compiled_elsewhere(drawn, settings)), "kernels where connections are drawn")


def golden_cells(folder: Path, device: str, tstop: float) -> dict[str, Any]:
    """Every reference model under its current steps: spikes, and soma voltages, into a file."""
    from isocortex.circuit.signals import Pulses
    from isocortex.engine.interface import ProbeTable, Settings, Variable
    from isocortex.network.network import CurrentSource, bare_network

    device, double = device.split("-")[0], device.endswith("double")
    left: dict[str, np.ndarray] = {}
    for name, (model, told, stimulus) in pickle.loads(
        (folder / "golden.pickle").read_bytes()
    ).items():
        amps = told["amps"]
        pulses = [Pulses([a], [stimulus["delay"]], [stimulus["dur"]]) for a in amps]
        sources = [CurrentSource(i, model.soma, pulse) for i, pulse in enumerate(pulses)]
        network = bare_network([model], np.zeros(len(amps), int), sources)
        engine = _engine(
            network, Settings(
                dt=GOLDEN_DT, celsius=float(told["celsius"]), v_init=float(told["v_init"]),
                precision="double" if double else "single", threads=1, device=device,
            ),
        )  # fmt: skip
        names = ("v", "cai")
        probes = [(i, model.soma, Variable(v)) for v in names for i in range(len(amps))]
        engine.record(ProbeTable.of(probes))
        cells, times, samples = engine.advance(round(tstop / GOLDEN_DT))
        left |= {f"{name}.cells": cells, f"{name}.times": times, f"{name}.samples": samples}
    np.savez(folder / f"golden_{device}{'-double' * double}.npz", **left)
    return {"spikes": int(sum(len(v) for k, v in left.items() if k.endswith(".times")))}


def _engine(network: Any, settings: Any) -> Any:
    from isocortex.session.engines import make_engine

    return make_engine(network, settings)


def ask_for(device: str) -> None:
    """Straight kernels, and events made on the GPU, where the device has them."""
    from isocortex.engine import spreading
    from isocortex.engine.straight import choice

    os.environ[choice.ASKED] = str(int(DEVICES[device].straight))
    os.environ[spreading.ASKED] = str(int(DEVICES[device].events))


def circuit(folder: Path, name: str, device: str, tstop: float, file: Path) -> dict[str, Any]:
    """A circuit as `isocortex run` does it, in pieces of which the first is warming up.

    What has been measured is written into the file after every piece.
    """
    from isocortex.session.session import open_session

    ask_for(device)
    asked, begun, alone = DEVICES[device], time.perf_counter(), timed_launches()
    pieces: list[dict[str, Any]] = []
    with open_session(
        folder / name / "simulation_config.json", tstop=tstop + ALONE_MS,
        precision=asked.precision, device=asked.device, output_dir=folder / f"{name}_{device}",
        overwrite=True, store_synapses=asked.stored,
    ) as session:  # fmt: skip
        engine = session.run.engine
        left = {
            "ready": time.perf_counter() - begun, "compiling": engine.compile_seconds,
            "straight": len(getattr(engine, "_straight", ())), "threads": len(engine.shares),
            "spread": any(getattr(engine, name, None) for name in ("_spreading", "_drawing")),
            "pieces": pieces,
        }  # fmt: skip
        spent = getattr(engine, "spent", {})
        while session.time < tstop - 1e-6:
            before, since = dict(spent), time.perf_counter()
            session.advance(min(PIECE_MS, tstop - session.time))
            pieces.append(
                {"ms": session.time, "seconds": time.perf_counter() - since}
                | {"n_spikes": session.run.n_spikes, "n_events": engine.n_events}
                | {key: round(value - before[key], 3) for key, value in spent.items()}
            )
            file.write_text(json.dumps(left))
        left["memory"] = _memory()
        if asked.device == "cuda":
            alone["on"] = 1.0
            session.advance()
            left["alone"] = {k: v for k, v in alone.items() if k != "on"}
        return left


def timed_launches() -> dict[str, float]:
    """From now on kernels are waited for where "on" is set: seconds of each by its name."""
    from isocortex.targets.gpu import Gpu

    bind, seconds = Gpu.bind, {"on": 0.0}

    def bind_timed(self: Gpu, kernel: Any, *told: Any) -> Any:
        launch = bind(self, kernel, *told)

        def launch_timed(*given: int) -> None:
            if not seconds["on"]:
                return launch(*given)
            self.wait()
            begun = time.perf_counter()
            launch(*given)
            self.wait()
            seconds[kernel.name] = seconds.get(kernel.name, 0.0) + time.perf_counter() - begun

        return launch_timed

    Gpu.bind = bind_timed  # type: ignore[method-assign]
    return seconds


def _memory() -> str:
    """Of the GPU, what is in use by all."""
    command = ["nvidia-smi", "--query-gpu=memory.used,name", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def stage(folder: Path, name: str, device: str, short: bool) -> None:
    """One stage in this process; leaves its JSON."""
    begun, file = time.perf_counter(), folder / f"{name}_{device}{'_short' * short}.json"
    if name == "golden":
        left = golden_cells(folder, device, 2.0 if short else GOLDEN_MS)
    else:
        left = circuit(folder, name, device, 2.0 if short else CIRCUITS[name], file)
    left["wall"] = time.perf_counter() - begun
    file.write_text(json.dumps(left))
    print(json.dumps(left))


def start(folder: Path, name: str, device: str, short: bool = False) -> Any:
    """The same in another process, its words in a file."""
    words = (folder / f"{name}_{device}{'_short' * short}.log").open("w")
    command = [sys.executable, str(HERE), "stage", str(folder), name, device]
    return subprocess.Popen(
        command + ["--short"] * short,
        stdout=words,
        stderr=subprocess.STDOUT,
        env=_environment(folder),
    )


#: Folders of wheels that were brought along: what the machine has not, and a compiler for kernels.
brought = ["site"]
COMPILES = """
import numpy as np
from isocortex.targets import cuda
def kernel(a):
    a[0] = a[1] + 1.0
print(len(cuda.ptx(cuda.single(kernel), (np.zeros(2, np.float32),))), cuda.assembler())
import numba_cuda; print(numba_cuda.__file__, numba_cuda.__version__)
"""


def _environment(folder: Path) -> dict[str, str]:
    """The package, and what of its dependencies was brought along."""
    here = {"ISOCORTEX_CACHE": os.environ.get("ISOCORTEX_CACHE") or str(folder / "cache")}
    paths = [str(HERE.parents[1] / "src"), *(str(folder / name) for name in brought)]
    here["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])
    if Path("/usr/local/cuda/bin").exists() and "CUDA_HOME" not in os.environ:
        here |= {
            "CUDA_HOME": "/usr/local/cuda",
            "PATH": f"{os.environ['PATH']}:/usr/local/cuda/bin",
        }
    return os.environ | here


def find_compiler(folder: Path) -> None:
    """The machine's own numba-cuda, or the one that was brought along."""
    for also in ([], ["site_cuda"]):
        brought[:] = ["site", *also]
        command = [sys.executable, "-c", COMPILES]
        try:
            done = subprocess.run(
                command, env=_environment(folder), capture_output=True, text=True, timeout=60
            )
        except subprocess.TimeoutExpired:
            print("no answer from the compiler", flush=True)
            continue
        if done.returncode == 0:
            print("compiler:", done.stdout.replace("\n", " "), flush=True)
            return
        print("cannot compile:", done.stderr[-700:], flush=True)


def wait(running: dict[tuple[str, str], Any], seconds: float) -> None:
    """For all of them, so long at most."""
    until = time.monotonic() + seconds
    for (name, device), process in running.items():
        try:
            process.wait(max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            print(f"{name} on {device}: not done after its time", flush=True)


def run_all(folder: Path, stages: list[str], seconds: float) -> None:
    """Compile everything at once, then every stage for itself; a table last."""
    until = time.monotonic() + seconds
    unpack(folder)
    find_compiler(folder)
    several = [(name, devices.split(",")) for name, devices in (s.split(":") for s in stages)]
    first = {d: n for n, ds in reversed(several) for d in ds if n in CIRCUITS}
    short = [(n, d) for d, n in first.items() if not list(folder.glob(f"*_{d}_short.json"))]
    short += [(n, d) for n, ds in several if n == "golden" for d in ds]
    wait({each: start(folder, *each, short=True) for each in short}, 0.5 * seconds)
    print(f"compiled, {until - time.monotonic():.0f} s left", flush=True)
    try:
        for name, devices_now in several:
            if name in CIRCUITS and not (folder / name / "simulation_config.json").exists():
                continue
            left = until - time.monotonic()
            if left > 10:
                wait({(name, d): start(folder, name, d) for d in devices_now}, min(left, LIMIT))
            for device in devices_now:
                told = _told(folder, name, device)
                print(f"{left:.0f} s left: {name} {device}", *told, flush=True)
    finally:
        for log in sorted(folder.glob("*.log")):
            words = log.read_text(errors="replace").splitlines()
            if any("Error" in line or "Traceback" in line for line in words):
                print(f"--- {log.name}", *words[-12:], sep="\n", flush=True)
        names = dict.fromkeys(name for name, _ in several)
        lines = [line for name in names for line in compared(folder, name)]
        print("---", *lines, sep="\n", flush=True)


def _told(folder: Path, name: str, device: str) -> list[str]:
    """What a stage has left, if it has."""
    path = folder / f"{name}_{device}.json"
    return [path.read_text()] if path.exists() else []


def unpack(folder: Path) -> None:
    """Wheels that were brought along."""
    from zipfile import ZipFile

    for wheel in sorted((folder / "wheels").glob("*.whl")):
        into = "site_cuda" if "cuda" in wheel.name else "site"
        ZipFile(wheel).extractall(folder / into)


def compared(folder: Path, name: str) -> list[str]:
    """Lines of what the devices made of a stage."""
    if name == "golden":
        return _tried(lambda: compared_golden(folder), name)
    lines = []
    for device in (d for d in DEVICES if (folder / f"{name}_{d}.json").exists()):
        lines += _tried(lambda d=device: [_line(folder, name, d) + _agree(folder, name, d)], name)
    return lines


def _tried(make: Any, name: str) -> list[str]:
    try:
        return make()
    except Exception as error:  # the table tells it
        return [f"{name}: {type(error).__name__} {error}"]


def _line(folder: Path, name: str, device: str) -> str:
    told = json.loads((folder / f"{name}_{device}.json").read_text())
    pieces = told["pieces"]
    later = pieces[1 + len(pieces) // 2 :] or pieces
    spent = {
        k: sum(p.get(k, 0.0) for p in later) for k in ("threads", "events", "kernels", "drawing")
    }
    took = sum(p["seconds"] for p in later)
    words = [
        f"{name} {device}: ready in {told['ready']:.1f} s (kernels {told['compiling']:.1f})",
        "{n_spikes} spikes, {n_events} events in {ms:g} ms".format(**pieces[-1]),
        f"first {pieces[0]['ms']:g} ms {pieces[0]['seconds']:.2f} s",
        f"{_rate(pieces, pieces[1:]):.2f} s per s, second half {_rate(pieces, later):.2f}",
        f"of these {took:.2f} s " + ", ".join(f"{k} {v:.2f}" for k, v in spent.items()),
        f"{told['straight']} straight{', events made there' * told['spread']}",
        f"{told.get('memory')}",
        f"alone, in {ALONE_MS} ms: "
        + ", ".join(f"{k} {1e3 * v:.2f} ms" for k, v in told.get("alone", {}).items()),
    ]
    return "; ".join(words)


def _rate(pieces: list[dict[str, Any]], some: list[dict[str, Any]]) -> float:
    """Seconds per simulated second, of the last pieces."""
    begin = [0.0, *(p["ms"] for p in pieces)][len(pieces) - len(some)]
    return 1e3 * sum(p["seconds"] for p in some) / max(pieces[-1]["ms"] - begin, 1e-9)


def _agree(folder: Path, name: str, device: str) -> str:
    """With the CPU at the same precision, if that has run."""
    cpu = "cpu-mixed" if DEVICES[device].precision == "mixed" else "cpu"
    files = [folder / f"{name}_{each}" / "spikes.h5" for each in (device, cpu)]
    if device == cpu or not all(file.exists() for file in files):
        return ""
    same, apart = agreement(*map(_spikes, files))
    return f"; {same:.1%} of spikes in the CPU's step, all until {apart:g} ms"


def compared_golden(folder: Path) -> list[str]:
    """One line a model: precisions on the GPU against the CPU's, and what rounding does there."""
    left = {device: np.load(folder / f"golden_{device}.npz") for device in GOLDEN}
    pairs = (("cuda", "cpu"), ("cuda-double", "cpu-double"), ("cpu", "cpu-double"))
    lines = []
    for key in left["cpu"].files:
        name = key.removesuffix(".times")
        if key == name:
            continue
        told = []
        for one, other in pairs:
            a, b = left[one], left[other]
            n, m = len(a[key]), len(b[key])
            same = n == m and np.array_equal(a[f"{name}.cells"], b[f"{name}.cells"])
            moved = np.count_nonzero(np.abs(a[key] - b[key]) > 1e-6) if same else -1
            half = a[f"{name}.samples"].shape[1] // 2
            mv = np.abs(a[f"{name}.samples"] - b[f"{name}.samples"])[:, :half].max()
            what = f"{moved} of {n} moved" if same else f"{n} and {m}"
            told.append(f"{one} against {other} {what}, {mv:.2g} mV")
        lines.append(f"golden {name}, spikes: {'; '.join(told)}")
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
    parser.add_argument("--straight", action="store_true", help="prepare these kernels too")
    parser.add_argument("--stages", nargs="+", default=STAGES, metavar="CIRCUIT:DEVICE")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--shared", type=Path, default=HERE.parents[2] / "shared")
    options = parser.parse_args()
    if options.what == "prepare":
        prepare(options.folder, options.shared)
        if options.straight:
            prepare_straight(options.folder)
    elif options.what == "stage":
        stage(options.folder, options.name, options.device, options.short)
    else:
        run_all(options.folder, options.stages, options.seconds)


if __name__ == "__main__":
    main()
