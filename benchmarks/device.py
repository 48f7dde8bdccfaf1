"""The GPU engine against the CPU engine: golden cells, a small network, a cortex at two scales.

    python benchmarks/device.py prepare FOLDER     # where circuits and reference models are
    python benchmarks/device.py run FOLDER         # where a GPU is; about four minutes

``prepare`` also compiles the GPU's kernels for compute capability 9.0 (H100, H200), with --straight
those of single models too, which needs the extra [cuda] and no GPU; elsewhere they are compiled
when they are first run. FOLDER may have cortices, of ``isocortex build cortex -o
FOLDER/cortex_SCALE``, and in FOLDER/wheels what the machine with the GPU has not. Every stage is a
process with a limit of its own, and leaves a JSON in FOLDER.

Drawn connections have not been run on a GPU yet: circuits on the device ``drawn``, which have the
CPU's spikes, as stored and drawn synapses are the same; and the stage ``drawing``, which draws for
random spikes of all neurons of the largest cortex, without cells.
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
#: The general kernel alone, the CPU, straight kernels where they are possible, events made on the
#: GPU, both of these, these with connections that are drawn there; and straight kernels with rows
#: of 16 bits, whose spikes are others.
DEVICES = ("cuda", "cpu", "straight", "events", "both", "drawn", "mixed")
GOLDEN = ("cuda", "cpu", "cuda-double", "cpu-double")
WARM_MS = 10.0
#: Spikes of a neuron, Hz, that connections are drawn for.
RATE = 3.0
GOLDEN_MS, GOLDEN_DT = 400.0, 0.1
#: Circuits by name: their folder, and so many ms of them.
CIRCUITS = {"micro": 300.0, "cortex_0.001": 100.0, "cortex_0.01": 100.0}


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
        settings = Settings(dt=0.1, precision=precision, device="cuda", threads=cores + 1)
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

    os.environ[choice.ASKED] = str(int(device in ("straight", "both", "drawn", "mixed")))
    os.environ[spreading.ASKED] = str(int(device in ("events", "both", "drawn")))


def circuit(folder: Path, name: str, device: str, tstop: float) -> dict[str, Any]:
    """A circuit as `isocortex run` does it, but timed after its first 10 ms."""
    from isocortex.session.session import open_session

    ask_for(device)
    begun = time.perf_counter()
    with open_session(
        folder / name / "simulation_config.json", tstop=tstop,
        precision="mixed" if device == "mixed" else "single",
        device="cpu" if device == "cpu" else "cuda", output_dir=folder / f"{name}_{device}",
        overwrite=True, store_synapses=device != "drawn",
    ) as session:  # fmt: skip
        ready, engine = time.perf_counter() - begun, session.run.engine
        compiling = engine.compile_seconds
        first = min(WARM_MS, 0.5 * tstop)
        session.advance(first)
        before = dict(getattr(engine, "spent", {}))
        warm = time.perf_counter()
        session.advance()
        seconds = time.perf_counter() - warm
        spent = {k: round(v - before[k], 3) for k, v in getattr(engine, "spent", {}).items()}
        return {
            "ready": ready, "compiling": compiling, "first": warm - begun - ready,
            "seconds": seconds, "per_second": 1e3 * seconds / (tstop - first), "tstop": tstop,
            "spikes": session.run.n_spikes, "events": engine.n_events, "spent": spent,
            "straight": len(getattr(engine, "_straight", ())), "threads": len(engine.shares),
            "spread": any(getattr(engine, name, None) for name in ("_spreading", "_drawing")),
        }  # fmt: skip


def drawing(folder: Path, n_windows: int) -> dict[str, Any]:
    """What connections of spikes at ``RATE`` and their events take, after the first windows."""
    from isocortex.engine.deal import deal_out
    from isocortex.engine.drawing import Drawing
    from isocortex.engine.interface import Settings
    from isocortex.engine.layout.arrangement import arrange
    from isocortex.engine.parts import Events
    from isocortex.network.build import build_network
    from isocortex.network.clock import Clock
    from isocortex.sonata.config import load_simulation
    from isocortex.targets.gpu import LANES, machine

    ask_for("drawn")
    cortices = [name for name in CIRCUITS if name.startswith("cortex") and (folder / name).exists()]
    name = cortices[-1]
    network = build_network(load_simulation(folder / name / "simulation_config.json"), False)
    settings = Settings(dt=0.1, precision="single", device="cuda", threads=1)
    laid = arrange(network, settings, LANES, np.dtype(np.float32))
    window, where, rng = network.window(0.1), machine(), np.random.default_rng(1)
    shares, _ = deal_out(network, laid, settings, window, on_device=True)
    clock = Clock(0.1, n_windows * window)
    own = Drawing(where, shares, laid, network.poisson, clock)
    of_blocks, room = len(laid.blocks), 1 << 16

    def make_room(n: int) -> Events:
        nonlocal there, room
        if n > room:
            room = n * 5 // 4
            there = events()
        return there

    def events() -> Events:
        kinds = (np.int32, np.int32, np.float32)
        begin = (where.room(of_blocks, np.int64), where.room(of_blocks, np.int64))
        return Events(*begin, *(where.room(room, kind) for kind in kinds))

    there = events()
    none = np.zeros(0, np.int64), np.zeros(0)
    trains = own.share.trains(*none, float(clock.middle[n_windows * window - 1]))
    own.begin(0, trains, there)
    spikes, spent, warm = 0, {"drawing": 0.0, "events": 0.0}, n_windows // 4
    for w in range(n_windows):
        n = rng.poisson(RATE * 1e-4 * window * network.n_cells)
        source = network.first_cell + rng.integers(0, network.n_cells, n)
        time_of = np.sort(clock.seen[w * window + rng.integers(1, window + 1, n)])
        begun = time.perf_counter()
        own.make(w * window, (w + 1) * window, make_room)
        between = time.perf_counter()
        own.hear(source, time_of)
        where.wait()
        if w < warm:
            own.n_more = 0
            continue
        spikes += n
        spent["events"] += between - begun
        spent["drawing"] += time.perf_counter() - between
    return {
        "circuit": name, "spikes": spikes, "made": own.n_more, **spent,
        "drawing of 27 M spikes": 27e6 * spent["drawing"] / max(spikes, 1),
        "making of 78 G events": 78e9 * spent["events"] / max(own.n_more, 1),
    }  # fmt: skip


def stage(folder: Path, name: str, device: str, short: bool) -> None:
    """One stage in this process; leaves its JSON."""
    begun = time.perf_counter()
    if name == "golden":
        left = golden_cells(folder, device, 2.0 if short else GOLDEN_MS)
    elif name == "drawing":
        left = drawing(folder, 4 if short else 80)
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


def run_all(folder: Path, seconds: float) -> None:
    """Compile everything at once, then every stage for itself; a table last."""
    until = time.monotonic() + seconds
    names = [name for name in CIRCUITS if (folder / name).exists()]
    unpack(folder)
    find_compiler(folder)
    wait(
        {(n, d): start(folder, n, d, short=True) for n in names[:2] for d in DEVICES}
        | {("golden", d): start(folder, "golden", d, short=True) for d in GOLDEN},
        0.5 * seconds,
    )
    print(f"compiled, {until - time.monotonic():.0f} s left", flush=True)
    stages = [[("golden", d) for d in GOLDEN], *([(n, d)] for n in names for d in DEVICES)]
    if any(name.startswith("cortex") for name in names):
        stages.append([("drawing", "cuda")])
    lines: list[str] = []
    try:
        for several in stages:
            left = until - time.monotonic()
            if left > 10:
                wait({each: start(folder, *each) for each in several}, min(left, 60))
            for name, device in several:
                print(
                    f"{left:.0f} s left: {name} {device}", *_told(folder, name, device), flush=True
                )
        for name in ("golden", *names):
            lines += compared(folder, name)
    finally:
        for log in sorted(folder.glob("*.log")):
            words = log.read_text(errors="replace").splitlines()
            if any("Error" in line or "Traceback" in line for line in words):
                print(f"--- {log.name}", *words[-12:], sep="\n", flush=True)
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
    lines = _tried(lambda: [_line(folder, name, "cpu")], name)
    for device in (d for d in DEVICES if d != "cpu"):
        lines += _tried(lambda d=device: [_line(folder, name, d) + _agree(folder, name, d)], name)
    return lines


def _tried(make: Any, name: str) -> list[str]:
    try:
        return make()
    except Exception as error:  # the table tells it
        return [f"{name}: {type(error).__name__} {error}"]


def _line(folder: Path, name: str, device: str) -> str:
    told = json.loads((folder / f"{name}_{device}.json").read_text())
    spent = ", ".join(f"{k} {v:.2f}" for k, v in told["spent"].items())
    return (
        f"{name} {device}: ready in {told['ready']:.1f} s (kernels {told['compiling']:.1f}), first "
        f"ms {told['first']:.2f} s, then {told['per_second']:.2f} s per s"
        + (
            f" ({spent} of {told['seconds']:.2f} s; {told['straight']} straight"
            f"{', events made there' * told['spread']})"
            if spent
            else ""
        )
        + f"; {told['spikes']} spikes, {told['events']} events"
    )


def _agree(folder: Path, name: str, device: str) -> str:
    spikes = [_spikes(folder / f"{name}_{d}" / "spikes.h5") for d in (device, "cpu")]
    same, apart = agreement(*spikes)
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
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--shared", type=Path, default=HERE.parents[2] / "shared")
    options = parser.parse_args()
    if options.what == "prepare":
        prepare(options.folder, options.shared)
        if options.straight:
            prepare_straight(options.folder)
    elif options.what == "stage":
        stage(options.folder, options.name, options.device, options.short)
    else:
        run_all(options.folder, options.seconds)


if __name__ == "__main__":
    main()
