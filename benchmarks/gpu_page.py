"""The page of results that a run of ``benchmarks/gpu.py`` is told in.

PYTHONPATH=src:benchmarks python benchmarks/gpu_page.py OUT
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from gpu import CELLS, COMPARTMENTS, STEPS, WINDOW
from machine import RESULTS, table, write

#: Seconds for one of the whole cortex: published for a supercomputer, and ours on one core of a CPU
#: with all events and 90 compartments a cell (results/2026-11-26-whole.md).
PUBLISHED, CORE = 32.0, 50_243.0
PER_NS = 1e-9 * CELLS * COMPARTMENTS * STEPS

STALLS = {
    "selected": "issues", "no_instruction": "waits for its next instruction",
    "barrier": "waits at a barrier", "long_scoreboard": "waits for memory",
    "short_scoreboard": "waits for shared memory or a special function",
    "wait": "waits a fixed latency", "not_selected": "could issue, another does",
}  # fmt: skip
BEFORE = "smsp__average_warps_issue_stalled_"
SHARES = {
    "smsp__issue_active.avg.pct_of_peak_sustained_active": "issue slots used, %",
    "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed": "peak of memory, %",
    "l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed": "of shared memory, %",
    "sm__inst_executed_pipe_xu.avg.pct_of_peak_sustained_elapsed": "of special functions, %",
}


def counters(folder: Path, kernel: str) -> dict[str, float]:
    """What Nsight Compute counted of a kernel, by its names."""
    lines = (folder / f"ncu-{kernel}.csv").read_text().splitlines()
    names, _, values = csv.reader([line for line in lines if line.startswith('"')][:3])
    found = {}
    for name, value in zip(names, values, strict=True):
        try:
            found[name] = float(value.replace(",", ""))
        except ValueError:
            continue
    return found


def correct(run: dict) -> list[str]:
    """Voltages and spikes."""
    rows: dict[str, list[dict]] = {}
    for found in run["correct"]:
        rows.setdefault(found["kernel"], []).append(found)
    head = ["kernel", "mV from CPU double", "CPU single is", "mV between blocks", "same spikes"]
    return table(head, [
        [name, *(f"{max(f[key] for f in found):.1e}" for key in
                 ("against_double_mV", "cpu_single_mV", "between_blocks_mV")),
         f"{found[0]['spikes']} of {found[0]['spikes']}" if all(f["same_spikes"] for f in found)
         else f"{max(f['missing'] for f in found)} are missing"]
        for name, found in rows.items()
    ])  # fmt: skip


def times(run: dict, size: str | int) -> list[str]:
    """Of one size."""
    keys = {
        "registers": "registers", "resident": "blocks of a multiprocessor", "waves": "waves",
        "window_ms": "ms a window", "ns_compartment_step": "ns a compartment and step",
        "counted_TB_s": "TB/s of state", "bytes_GB": "GB",
        "extrapolated_whole_s_per_s": "whole cortex, s per s, extrapolated",
    }  # fmt: skip
    rows = [f for f in run["time"] if f["size"] == size]
    return table(
        ["kernel", *keys.values()], [[f["kernel"], *(f"{f[k]:.3g}" for k in keys)] for f in rows]
    )


def lengths(run: dict) -> list[str]:
    """Windows of other lengths: what a step takes, and what loading and storing the state does."""
    rows = []
    for kernel in dict.fromkeys(f["kernel"] for f in run["parts"]):
        found = [f for f in run["parts"] if f["kernel"] == kernel]
        ms = {f["steps"]: f["window_ms"] for f in found if f["events"]}
        step, once = np.polyfit(list(ms), list(ms.values()), 1)
        quiet = next(f["window_ms"] for f in found if not f["events"])
        whole = PER_NS * found[0]["ns_compartment_step"] * WINDOW / found[0]["window_ms"]
        rows.append([
            kernel, *(f"{ms[n]:.3g}" for n in (1, 5, 9, 18, 45)), f"{step:.4f}", f"{once:.3f}",
            f"{step * whole:.0f}", f"{once / WINDOW * whole:.0f}",
            f"{100 * (1 - quiet / ms[WINDOW]):.0f}",
        ])  # fmt: skip
    head = ["kernel", *(f"{n} steps, ms" for n in (1, 5, 9, 18, 45)), "a step", "a window",
            "steps, s per s", "windows, s per s", "events, %"]  # fmt: skip
    return table(head, rows)


def stalls(folder: Path, kernels: list[str]) -> list[str]:
    """How a resident warp spends its time, and how far units are used."""
    found = [counters(folder, kernel) for kernel in kernels]
    ratios = [{k: c[f"{BEFORE}{k}_per_issue_active.ratio"] for k in STALLS} for c in found]
    every = [sum(v for k, v in c.items() if k.startswith(BEFORE)) for c in found]
    rows = [
        [f"{words}, %", *(f"{100 * r[key] / e:.0f}" for r, e in zip(ratios, every, strict=True))]
        for key, words in STALLS.items()
    ]
    rows += [[words, *(f"{c[key]:.0f}" for c in found)] for key, words in SHARES.items()]
    block_steps = [c["launch__grid_size"] * WINDOW for c in found]
    issued = zip(found, block_steps, strict=True)
    rows += [["instructions of a block and step",
              *(f"{c['smsp__inst_executed.sum'] / n:,.0f}" for c, n in issued)]]  # fmt: skip
    return table(["a warp", *kernels], rows)


def picture(run: dict, file: Path) -> None:
    """Seconds for one second of the whole cortex, by the slower of the two models."""
    matplotlib.use("Agg")
    slowest: dict[str, float] = {}
    for found in run["time"]:
        if found["size"] == "full":
            name, value = found["kernel"].partition("-")[2], found["extrapolated_whole_s_per_s"]
            slowest[name] = max(value, slowest.get(name, 0.0))
    marks = [("one core of a CPU, with events", CORE)]
    marks += sorted(slowest.items(), key=lambda mark: -mark[1])
    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    axes.axvline(PUBLISHED, color="#c0392b")
    for k, (name, value) in enumerate(marks):
        axes.plot(value, k, "o", color="0.5" if name.startswith("one") else "#3b6ea5")
        axes.text(value * 1.25, k, f"{value:,.0f}", va="center", fontsize=8)
    axes.text(PUBLISHED * 1.1, 0, "published: 32", color="#c0392b", va="center", fontsize=8)
    axes.set_yticks(range(len(marks)), [name for name, _ in marks])
    axes.set(xscale="log", xlim=(10, 3e5), xlabel="s for 1 s of the whole cortex (extrapolated)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


TEXT = """\
`benchmarks/gpu.py` on one {name}: {multiprocessors} multiprocessors, {GHz:.2f} GHz, driver of CUDA
{cuda:.1f}, memory copied at {best_TB_s:.2f} TB/s. Kernels were compiled elsewhere for compute
capability 9.0. What follows from it: [performance](../../docs/performance.md#on-a-gpu).

**A** keeps the state in memory and gives a cell one thread; it is the package's own text. **C**
keeps the state of a block of 32 cells in shared memory for a window of 9 steps of 0.1 ms, driven by
tables. **D** is straight-line code of one model, voltages in registers. 4w, 8w: warps of a block;
5wb: five, and the soma's channels are counted when the tree is shared out; half: synaptic rows are
stored in half precision; exact: exponentials and reciprocals are not approximate; r128: at most 128
registers. Two models of 139 nodes, 122 and 119 of them compartments, two kinds of synapses on each;
single precision, backward Euler.

![Seconds for a second of the whole cortex]({picture})

(The slower of the two models; half rows were timed with the faster one alone, where D takes 55.)

**Every figure of the whole cortex is extrapolated**: ns per compartment and step x 9 million cells
x 148 compartments x 10,000 steps. Measured are windows of 281,250 blocks, 9 million cells, all of
one model, each block with the same synaptic events (29 a second and row). Not in it: events
made of these cells' own spikes, connections, exchange between blocks, drawing, recording, and the
other models of the cortex (72 or so) with their launches.

## Correct

Twelve windows under strong drive from rest, against the CPU engine; one block, and 396 at once. (At
9 million cells voltages were not read back.)

{correct}

## Times: 9 million cells of one model

{full}

Both models by turns, {mixed}: another model's code costs nothing that can be seen.

## Times: ten waves of blocks

{ten}

## Windows of other lengths

Four waves of blocks, which begin together, so that loading and storing hides behind little. A line
through five lengths: its slope is a step; what it has at no steps is loading and storing, once a
window, and the launch. As s per s of the whole at windows of 9 steps; the last column is what is
saved when no events are applied.

{lengths}

## Counters

Nsight Compute, one window of 9 steps, four waves: how a resident warp spends its time, and how much
of each unit's peak is used.

{stalls}

## Spikes to events

A kernel of its own takes the spikes of a window of the whole cortex (27 million a second) and puts
their events, from 548 stored connections of 5 synapses each, into bins of blocks and windows; the
second row is five times the rate. The connections are those of a million cells, whose local targets
are a ninth of the blocks: their bins, which have room for 512 events, overflow. What is too many
was counted and not written, some at the first rate, most at the second: lower bounds, both.

{spread}"""


def page(run: dict, folder: Path, name: str) -> str:
    """All of it."""
    card, mixed = run["card"][0] | run["copy"][0], run["mixed"][0]
    keys = {
        "spikes": "spikes", "events": "events", "window_ms": "ms a window",
        "ns_event": "ns an event", "s_per_s": "s per s", "mean_in_bin": "events in a bin",
        "most_in_bin": "most",
    }  # fmt: skip
    spread = [
        [f"{f[k]:,}" if isinstance(f[k], int) else f"{f[k]:.3g}" for k in keys]
        for f in run["events"]
    ]
    sections = {
        "correct": correct(run), "full": times(run, "full"), "ten": times(run, 10),
        "lengths": lengths(run), "spread": table(list(keys.values()), spread),
        "stalls": stalls(folder, [found["kernel"] for found in run["counters"]]),
    }  # fmt: skip
    return TEXT.format(
        **card, picture=name, GHz=card["clock_kHz"] * 1e-6, cuda=card["driver_cuda"] / 1000,
        mixed=f"{mixed['blocks']:,} blocks: {mixed['ns_compartment_step']:.5f} ns,"
        f" {mixed['extrapolated_whole_s_per_s']:.0f} s per s",
        **{key: "\n".join(lines) for key, lines in sections.items()},
    )  # fmt: skip


def main() -> None:
    """Write it, and its picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="what benchmarks/gpu.py was given as OUT")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    run: dict[str, list] = {}
    for line in (options.out / "gpu.jsonl").read_text().splitlines():
        figures = json.loads(line)
        run.setdefault(figures["stage"], []).append(figures)
    picture_file = options.output / f"{datetime.date.today()}-gpu.png"
    lines = page(run, options.out, picture_file.name).splitlines()
    write("gpu", "Three kernels on one GPU", lines, options.output)
    picture(run, picture_file)


if __name__ == "__main__":
    main()
