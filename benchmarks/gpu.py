"""The kernels C and D on a GPU, side by side: results, times, what binds them.

    PYTHONPATH=src:tests:benchmarks python -m kernels.prepare CASES     # where there is a compiler
    PYTHONPATH=benchmarks python benchmarks/gpu.py CASES OUT            # where there is a GPU

The second needs NumPy and NVIDIA's driver alone. Every stage runs in a process of its own, prints
its figures at once, appends them to OUT/gpu.jsonl and may fail without the others'. See
:mod:`kernels` for what C and D are; A, which is the engine's own, is timed by ``device.py``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from kernels.cases import Case
from kernels.driver import Driver, Events, Kernel, flattened
from kernels.session import Prepared, voltages

#: The whole mouse cortex: cells, compartments of a cell, steps a second.
CELLS, COMPARTMENTS, STEPS = 9e6, 148, 10_000
WINDOW, LANES = 9, 32
#: Instructions a multiprocessor can issue in a cycle.
ISSUED = 4
#: Blocks on the GPU at least where the figure is of a full one, and bytes of their state.
FULL_BYTES = 21e9


class Stage:
    """What a stage has at hand."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.cases, self.out = options.cases, options.out
        self.kernels = [json.loads(p.read_text()) for p in sorted(self.cases.glob("*-*.json"))]
        self.begun, self.limit = time.perf_counter(), options.limit
        self.driver: Driver
        self._cases: dict[str, Case] = {}
        self._log = self.out / f"tried-{(options.stage or ['none'])[0]}"
        self.tried = self._log.read_text().splitlines() if self._log.exists() else []

    def try_(self, key: str) -> None:
        """Note what is tried, lest another process tries it again."""
        with self._log.open("a") as file:
            file.write(key + "\n")

    def left(self) -> float:
        """Seconds until the stage should have ended."""
        return self.limit - (time.perf_counter() - self.begun)

    def case(self, model: str) -> Case:
        """Read once."""
        if model not in self._cases:
            self._cases[model] = Case(self.cases, model)
        return self._cases[model]

    def put(self, stage: str, **figures: Any) -> None:
        """Print a line and keep it."""
        text = " ".join(f"{key}={_short(value)}" for key, value in figures.items())
        print(f"[{stage}] {text}", flush=True)
        with (self.out / "gpu.jsonl").open("a") as file:
            file.write(json.dumps({"stage": stage} | figures, default=float) + "\n")

    def prepared(self, entry: dict, blocks: int, **options: Any) -> Prepared:
        """A kernel with so many blocks."""
        return Prepared(
            self.driver, self.cases, entry, self.case(entry["model"]), blocks, **options
        )

    def chosen(self, *names: str) -> list[dict]:
        """Kernels by variant, in this order, of all models."""
        return [e for name in names for e in self.kernels if e["name"] == name]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace(" ", "_") if isinstance(value, str) else str(value)


MAIN = ("C-8w", "C-4w", "D-4w", "D-5wb", "D-4wb-x3", "D-4wb-x3-copied")
FULL = ("D-4wb-x3-copied", "D-4wb-x3", "D-4w", "C-8w", "D-5wb", "D-4w-half")
OTHERS = (
    "D-4w-r128", "D-5wb-r128", "D-4wb", "D-4w-half", "C-4w-exact",
    "D-4w-exact", "D-8w", "D-8w-r80", "C-8w-half", "C-8w-nochannels", "D-4w-nochannels",
)  # fmt: skip


def _warm_up(driver: Driver) -> None:
    """Copy for a few tenths of a second: an idle GPU's clocks are low."""
    size = min(1 << 30, driver.memory()[0] // 4)
    a, b = driver.allocate(size), driver.allocate(size)
    for _ in range(300):
        driver.copy(b, a, size)
    driver.wait()
    driver.free_all()


def card(stage: Stage) -> None:
    """What GPU it is, and how fast its memory is copied."""
    driver = stage.driver
    stage.put("card", **driver.about(), python=platform.python_version(), numpy=np.__version__)
    for more in (
        [],
        ["--query-gpu=clocks.sm,clocks.mem,clocks.max.sm", "--format=csv"],
    ):
        if shutil.which("nvidia-smi"):
            command = ["nvidia-smi", *more]
            print(subprocess.run(command, capture_output=True, text=True, timeout=20).stdout)
    size = min(8 << 30, driver.memory()[0] // 4)
    a, b = driver.allocate(size), driver.allocate(size)
    marks, found = Events(driver), []
    for _ in range(6):
        marks.mark(0)
        driver.copy(b, a, size)
        marks.mark(1)
        found.append(2 * size / marks.seconds())
    stage.put("copy", bytes=size, best_TB_s=max(found) * 1e-12, median_TB_s=_median(found) * 1e-12)


def correct(stage: Stage) -> None:
    """Voltages and spikes against the CPU's, in one block and in many at once."""
    for entry in stage.chosen(*MAIN, *OTHERS):
        if not entry["channels"]:
            continue
        for blocks in (1, 3 * stage.driver.attributes["multiprocessors"]):
            if stage.left() < 5:
                return
            _attempt(stage, _compare, entry, blocks)


def _compare(stage: Stage, entry: dict, blocks: int) -> None:
    case, found, spikes, spread = stage.case(entry["model"]), [], [], 0.0
    prepared = stage.prepared(entry, blocks, state="strong")
    blocks = prepared.blocks
    for window in range(case.about["windows"]):
        prepared.set_window(window * WINDOW)
        prepared.window()
        stage.driver.wait()
        V = voltages(prepared)
        steps = prepared.read("spike_step").reshape(blocks, LANES)
        found.append(V[-1])
        spread = max(spread, float(np.abs(V - V[:1]).max()))
        spikes += [(int(s), c) for c, s in enumerate(steps[-1]) if s > window * WINDOW]
    prepared.close()
    V, wanted = np.array(found), [tuple(s) for s in case["strong.spikes"].tolist()]
    stage.put(
        "correct", kernel=entry["label"], blocks=blocks,
        against_double_mV=float(np.abs(V - case["strong.double"]).max()),
        against_single_mV=float(np.abs(V - case["strong.single"]).max()),
        cpu_single_mV=float(np.abs(case["strong.single"] - case["strong.double"]).max()),
        between_blocks_mV=spread, spikes=len(wanted), same_spikes=sorted(spikes) == sorted(wanted),
        missing=len(set(wanted) - set(spikes)), finite=bool(np.isfinite(V).all()),
    )  # fmt: skip


def timed(stage: Stage) -> None:
    """C and D from one block to ten waves."""
    _times(stage, MAIN, ("block", 1, 10))


def variants(stage: Stage) -> None:
    """The other kernels, ten waves of blocks."""
    _times(stage, OTHERS, (10,))


def full(stage: Stage) -> None:
    """C and D with states of more than 20 GB, or as many cells as the cortex has."""
    _times(stage, FULL, ("full",), most=1.5)


def _times(stage: Stage, names: tuple, sizes: tuple, most: float = 0.6) -> None:
    for entry in stage.chosen(*names):
        for size in sizes:
            if stage.left() < 4:
                stage.put("skipped", kernel=entry["label"], size=size)
                continue
            _attempt(stage, _time, entry, size, most)


def _time(stage: Stage, entry: dict, size: str | int, most: float) -> None:
    begun = time.perf_counter()
    about, case = _about(stage, entry), stage.case(entry["model"])
    wave = about["resident"] * stage.driver.attributes["multiprocessors"]
    blocks = 1 if size == "block" else wave if size == "full" else int(size) * wave
    if size == "full":
        one = stage.prepared(entry, 1)
        per_block = one.bytes / one.blocks
        one.close()
        room = int(0.9 * stage.driver.memory()[0] / per_block)
        blocks = min(room, int(CELLS / LANES))
    prepared = stage.prepared(entry, blocks)
    blocks = prepared.blocks
    ready = time.perf_counter() - begun
    seconds = prepared.seconds(most)
    median = _median(seconds)
    compartments = blocks * LANES * case.about["compartments"]
    rate = median / (compartments * WINDOW)
    V = voltages(prepared)[-1, :, 0] if blocks < 10**5 else np.zeros(1)
    figures = _shares(stage, entry, case, blocks, median)
    stage.put(
        "time", kernel=entry["label"], size=size, blocks=blocks, waves=blocks / wave,
        window_ms=median * 1e3, least_ms=min(seconds) * 1e3, most_ms=max(seconds) * 1e3,
        windows=len(seconds), ns_compartment_step=rate * 1e9,
        extrapolated_whole_s_per_s=rate * CELLS * COMPARTMENTS * STEPS if blocks > wave else 0.0,
        bytes_GB=prepared.bytes * 1e-9, ready_s=ready, soma_mV=float(V.mean()),
        finite=bool(np.isfinite(V).all()), **figures, **about,
    )  # fmt: skip
    prepared.close()


def _about(stage: Stage, entry: dict) -> dict:
    kernel = Kernel(stage.driver, entry, str(stage.cases / entry["cubin"]))
    found = kernel.about()
    return {
        "registers": found["registers"], "local": found["local"],
        "resident": found["blocks"] * entry.get("together", 1),
        "shared_kB": entry["shared"] / 1024,
    }  # fmt: skip


def _shares(stage: Stage, entry: dict, case: Case, blocks: int, seconds: float) -> dict:
    """Memory a second from counts, and of D the share of all instructions that could be issued."""
    n, rows, states = case.n, 2 * case.about["compartments"], case.about["states"]
    numbers = 2 * (n + (1 if entry["half"] else 2) * rows + states)
    found = {"counted_TB_s": blocks * LANES * 4 * numbers / seconds * 1e-12}
    if entry["design"] == "D":
        warps = sorted((loop[2] for loop in entry["loops"]), reverse=True)[: entry["warps"]]
        clock = (stage.driver.attributes["clock_kHz"] or 1_980_000) * 1e3
        peak = stage.driver.attributes["multiprocessors"] * ISSUED * clock
        issued = blocks * WINDOW * sum(warps)
        found |= {"step_instructions": sum(warps), "share_of_issue": issued / seconds / peak}
    return found


def parts(stage: Stage) -> None:
    """Where time goes: windows of other lengths, and without events, at four waves of blocks."""
    for entry in stage.chosen(*FULL):
        for steps, events in ((9, True), (9, False), (1, True), (5, True), (18, True), (45, True)):
            if stage.left() < 4:
                return
            _attempt(stage, _part, entry, steps, events)


def _part(stage: Stage, entry: dict, steps: int, events: bool) -> None:
    wave = _about(stage, entry)["resident"] * stage.driver.attributes["multiprocessors"]
    prepared = stage.prepared(entry, 4 * wave, steps=steps, events=events)
    seconds = _median(prepared.seconds(0.3))
    prepared.close()
    compartments = 4 * wave * LANES * stage.case(entry["model"]).about["compartments"]
    stage.put(
        "parts", kernel=entry["label"], steps=steps, events=events, blocks=4 * wave,
        window_ms=seconds * 1e3, us_wave_step=seconds / steps / 4 * 1e6,
        ns_compartment_step=seconds / steps / compartments * 1e9,
    )  # fmt: skip


def mixed(stage: Stage) -> None:
    """All models' D at once, each with its share of the cells, in turn on one stream."""
    entries = stage.chosen("D-4w")
    waves = max(1, 24 // max(len(entries), 1))
    wave = stage.driver.attributes["multiprocessors"] * 2
    ready = [stage.prepared(entry, waves * wave) for entry in entries]
    marks, found = Events(stage.driver), []
    for _ in range(8):
        marks.mark(0)
        for prepared in ready:
            prepared.window()
        marks.mark(1)
        found.append(marks.seconds())
    seconds = _median(found[1:])
    compartments = sum(
        p.blocks * LANES * stage.case(p.entry["model"]).about["compartments"] for p in ready
    )
    rate = seconds / compartments / WINDOW
    stage.put(
        "mixed", models=len(ready), blocks=sum(p.blocks for p in ready), window_ms=seconds * 1e3,
        ns_compartment_step=rate * 1e9,
        extrapolated_whole_s_per_s=rate * CELLS * COMPARTMENTS * STEPS,
    )  # fmt: skip


#: Connections of a cell, local ones among them, synapses of each, spikes a second of the cortex.
CONNECTIONS, LOCAL, SYNAPSES, SPIKES = 548, 244, 5, 27e6
#: The bins are a ring of windows, longer than the longest delay; each has room for so many events.
RULES, SITES, RING, ROOM = 300, 1024, 8, 2048


def events(stage: Stage) -> None:
    """Spikes of a window to events in the bins of their blocks, from stored connections."""
    driver, word, blocks = stage.driver, np.int64, int(CELLS / LANES)
    connect, spread = (
        Kernel(driver, e, str(stage.cases / e["cubin"])) for e in stage.chosen("connect", "spread")
    )
    room = driver.memory()[0] * 0.6 - 4 * RING * ROOM * blocks
    pool = int(min(1e6, room / (8 * CONNECTIONS)))
    n_spikes = int(SPIKES * WINDOW / STEPS)
    rng = np.random.default_rng(1)
    site = rng.integers(0, 240, RULES * SITES).astype(np.uint16)
    sizes = {
        "connections": (pool * CONNECTIONS, word), "site": (site.size, np.uint16),
        "spikes": (5 * n_spikes, np.int32), "count": (RING * blocks, np.int32),
        "bins": (RING * blocks * ROOM, np.uint32),
    }  # fmt: skip
    arrays = {
        name: (driver.allocate(n * np.dtype(kind).itemsize), (n,), np.dtype(kind))
        for name, (n, kind) in sizes.items()
    }
    driver.upload(arrays["site"][0], site)
    numbers = {
        "per_cell": CONNECTIONS, "cells": int(CELLS), "near": 100_000, "local": LOCAL,
        "rules": RULES, "sites": SITES, "ring": RING, "room": ROOM, "blocks": blocks,
    }  # fmt: skip
    connect.launch(
        -(-pool * CONNECTIONS // 256), flattened(connect.entry["parameters"], numbers, arrays)
    )
    driver.wait()
    marks, empty = Events(driver), np.zeros(blocks, np.int32)
    for times in (1, 5):
        many, found, most = times * n_spikes, [], 0
        driver.tile(arrays["count"][0], empty, RING)
        arrays["spikes"] = (arrays["spikes"][0], (many,), np.dtype(np.int32))
        for window in range(12):
            driver.upload(arrays["spikes"][0], rng.integers(0, pool, many).astype(np.int32))
            driver.upload(arrays["count"][0] + 4 * blocks * (window % RING), empty)
            values = flattened(
                spread.entry["parameters"], numbers | {"step": 4, "slot": window % RING}, arrays
            )
            marks.mark(0)
            spread.launch(-(-many // 4), values)
            marks.mark(1)
            found.append(marks.seconds())
        at = arrays["count"][0] + 4 * blocks * (12 % RING)
        count = driver.download(at, empty)
        most, mean = int(count.max()), float(count.mean())
        kept = float(np.minimum(count, ROOM).sum() / count.sum())
        seconds, made = _median(found[1:]), many * CONNECTIONS * SYNAPSES
        stage.put(
            "events", spikes=many, events=made, window_ms=seconds * 1e3,
            ns_event=seconds / made * 1e9, s_per_s=seconds * STEPS / WINDOW,
            most_in_bin=most, mean_in_bin=mean, kept=kept, pool=pool,
            registers=spread.about()["registers"],
        )  # fmt: skip


SECTIONS = (
    "SpeedOfLight", "SchedulerStats", "WarpStateStats", "InstructionStats", "Occupancy",
    "MemoryWorkloadAnalysis", "LaunchStats",
)  # fmt: skip
#: Parts of names of counters that are printed; all are kept.
SHOWN = (
    "gpu__time_duration", "smsp__inst_executed.sum", "issue_active.avg", "inst_issued.sum",
    "dram__bytes", "throughput.avg.pct", "warps_active.avg.pct", "_issue_stalled_",
    "bank_conflict", "launch__occupancy_limit", "sm__cycles_elapsed.max",
)  # fmt: skip


def counters(stage: Stage) -> None:
    """The GPU's own counters, by Nsight Compute if it is there."""
    tool = shutil.which("ncu") or "/usr/local/cuda/bin/ncu"
    first = {}
    for entry in stage.chosen(*MAIN):
        first.setdefault(entry["name"], entry)
    for entry in first.values():
        if stage.left() < 8:
            return
        _attempt(stage, _count, entry, tool)


def _count(stage: Stage, entry: dict, tool: str) -> None:
    sections = [part for name in SECTIONS for part in ("--section", name)]
    command = [
        tool, "--clock-control", "none", "--launch-skip", "2", "--launch-count", "1", *sections,
        "--csv", "--page", "raw", sys.executable, __file__, str(stage.cases), str(stage.out),
        "--stage", "few", "--kernel", entry["label"],
    ]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, timeout=min(stage.left(), 40))
    (stage.out / f"ncu-{entry['label']}.csv").write_text(said.stdout + said.stderr)
    rows = [line for line in said.stdout.splitlines() if line.startswith('"')]
    if len(rows) < 3:
        raise RuntimeError(said.stdout[-1500:] + said.stderr[-1500:])
    names, units, values = list(csv.reader(rows))[:3]
    found = {f"{n}[{u}]": v for n, u, v in zip(names, units, values, strict=True)}
    stage.put("counters", kernel=entry["label"], metrics=len(found))
    for name, value in found.items():
        if any(part in name for part in SHOWN):
            print(f"    {name} {value}")


def package(stage: Stage) -> None:
    """The package's own test of its kernel, by whatever Numba is here."""
    root = Path(__file__).parents[1]
    test = "tests/unit/test_cuda.py::test_everything_is_as_on_the_cpu_within_rounding"
    environment = os.environ | {
        "PYTHONPATH": f"{root}/src",
        "ISOCORTEX_CACHE": str(stage.out / "k"),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-rs", "--tb=short", "-p", "no:cacheprovider"]
    versions = "import numba, numba_cuda; print(numba.__version__, numba_cuda.__version__)"
    subprocess.run([sys.executable, "-c", versions], timeout=20, check=False)
    said = subprocess.run(
        [*command, test, "-k", "device"], capture_output=True, text=True, cwd=root, env=environment,
        timeout=stage.left(),
    )  # fmt: skip
    print(said.stdout[-3000:], said.stderr[-2000:])
    shutil.rmtree(stage.out / "k", ignore_errors=True)
    stage.put("package", passed=said.returncode == 0, seconds=stage.limit - stage.left())


def few(stage: Stage, label: str) -> None:
    """Three windows of one kernel, four waves: for Nsight Compute to look at."""
    entry = next(e for e in stage.kernels if e["label"] == label)
    wave = _about(stage, entry)["resident"] * stage.driver.attributes["multiprocessors"]
    prepared = stage.prepared(entry, 4 * wave)
    for _ in range(4):
        prepared.window()
    stage.driver.wait()


#: Exit status of a stage in which a kernel broke the GPU's context: another process can go on.
BROKEN = 77
#: Errors of the driver after which the context still works: of arguments, memory, modules.
HARMLESS = ("cuMem", "cuModule", "cuFunc", "cuLaunchKernel: 1 ", "cuLaunchKernel: 701 ")


def _attempt(stage: Stage, do, entry: dict, *what: Any) -> None:
    """Do it unless a process before this one has, and go on if it fails."""
    key = " ".join(str(part) for part in (entry["label"], *what))
    if key in stage.tried:
        return
    stage.try_(key)
    try:
        do(stage, entry, *what)
    except Exception as error:
        print(traceback.format_exc(limit=-2), flush=True)
        stage.put("failed", what=key, error=repr(error)[:300])
        if isinstance(error, RuntimeError) and not str(error).startswith(HARMLESS):
            sys.exit(BROKEN)
        stage.driver.free_all()


def _median(values: list[float]) -> float:
    return float(np.median(values))


#: What the table at the end has of each stage's figures.
TABLE = {
    "copy": ("best_TB_s",),
    "correct": ("kernel", "blocks", "against_double_mV", "same_spikes", "between_blocks_mV"),
    "time": (
        "kernel", "size", "window_ms", "ns_compartment_step", "extrapolated_whole_s_per_s",
        "counted_TB_s", "share_of_issue", "resident",
    ),
    "parts": ("kernel", "steps", "events", "window_ms"),
    "events": ("spikes", "window_ms", "ns_event", "s_per_s", "most_in_bin", "kept"),
    "mixed": ("models", "window_ms", "extrapolated_whole_s_per_s"),
    "package": ("passed",),
    "failed": ("what", "error"),
}  # fmt: skip


def table(out: Path) -> None:
    """The figures that decide, shortly, once more."""
    print("== " + "; ".join(f"{name}: {' '.join(keys)}" for name, keys in TABLE.items()))
    for line in (out / "gpu.jsonl").read_text().splitlines():
        figures = json.loads(line)
        shown = (
            _short(figures[key])[:60] for key in TABLE.get(figures["stage"], ()) if key in figures
        )
        text = " ".join(shown)
        if text:
            print(figures["stage"], text)


#: In this order, with the seconds each may take.
STAGES = {
    card: 20, correct: 30, timed: 30, full: 50, parts: 30, variants: 30, counters: 50, events: 20,
    mixed: 15, package: 60,
}  # fmt: skip


def main() -> None:
    """All stages, or one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stage", nargs="+", help="only these")
    parser.add_argument("--kernel", help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=float, default=60.0, help="s for a stage run on its own")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.kernel or options.inside:
        stage = Stage(options)
        stage.driver = Driver()
        if options.kernel:
            few(stage, options.kernel)
            return
        _warm_up(stage.driver)
        next(run for run in STAGES if run.__name__ == options.stage[0])(stage)
        return
    begun = time.perf_counter()
    for run, limit in STAGES.items():
        if options.stage and run.__name__ not in options.stage:
            continue
        print(f"== {run.__name__}: {run.__doc__}", flush=True)
        command = [sys.executable, __file__, str(options.cases), str(options.out), "--inside"]
        command += ["--stage", run.__name__, "--limit", str(limit)]
        (options.out / f"tried-{run.__name__}").unlink(missing_ok=True)
        try:
            for _ in range(5):
                if subprocess.run(command, timeout=limit + 10, check=False).returncode != BROKEN:
                    break
        except subprocess.TimeoutExpired:
            print(f"== {run.__name__}: stopped after {limit + 10} s", flush=True)
        print(f"== {time.perf_counter() - begun:.1f} s so far", flush=True)
    if (options.out / "gpu.jsonl").exists():
        table(options.out)


if __name__ == "__main__":
    main()
