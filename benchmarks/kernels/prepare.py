"""Compile the kernels for a GPU that is elsewhere, and write what they are to be given.

    PYTHONPATH=src:tests:benchmarks python -m kernels.prepare FOLDER [--models ...] [--only ...]

Needs the extra [cuda]. Leaves in FOLDER one ``MODEL.npz`` a model, and a cubin and a JSON a kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

LARGEST_WINDOW = 45


@dataclass(frozen=True)
class Variant:
    """A kernel to compile.

    ``fast`` maths are approximate exponentials and reciprocals; ``most`` registers of a thread;
    so many blocks ``together`` are one block of threads, which has its rows ``copied`` at once.
    """

    design: str
    warps: int = 4
    fast: bool = True
    most: int | None = None
    half: bool = False
    channels: bool = True
    balanced: bool = False
    together: int = 1
    copied: bool = False

    @property
    def plan(self) -> str:
        """Which of the splits of a tree it has."""
        return f"{self.warps}{'b' * self.balanced}"

    @property
    def name(self) -> str:
        """Short."""
        parts = [self.design, f"{self.warps}w{'b' * self.balanced}"]
        parts += [f"x{self.together}"] * (self.together > 1)
        parts += ["copied"] * self.copied
        parts += ["exact"] * (not self.fast) + [f"r{self.most}"] * (self.most is not None)
        return "-".join([*parts, *["half"] * self.half, *["nochannels"] * (not self.channels)])


VARIANTS = [
    Variant("C"), Variant("D"),
    Variant("D", most=128), Variant("D", 5, balanced=True),
    Variant("D", 5, most=128, balanced=True),
    Variant("D", half=True), Variant("C", fast=False),
    Variant("D", fast=False), Variant("C", 8), Variant("D", 4, balanced=True), Variant("D", 8),
    Variant("D", 8, most=80), Variant("C", 8, half=True), Variant("D", channels=False),
    Variant("C", 8, channels=False), Variant("D", balanced=True, together=3),
    Variant("D", balanced=True, together=3, copied=True),
]  # fmt: skip


def fast_maths() -> None:
    """Let device functions that are compiled from now on use approximate functions."""
    from numba import cuda

    plain = cuda.jit

    def jit(*positional, **options):
        if options.get("device"):
            options["fastmath"] = True
        return plain(*positional, **options)

    cuda.jit = jit


def model_of(name: str):
    """A cell of the library."""
    from isocortex.cells.library import load_cell

    return load_cell(name)


def write_case(model, folder: Path, windows: tuple[int, int] = (12, 120)) -> None:
    """States, events and the CPU's results of a model.

    Parameters
    ----------
    windows : for which the CPU's results are kept, and before the usual state is taken.
    """
    from isocortex.engine.interface import Settings, nernst_factor
    from isocortex.engine.straight.plan import Plan
    from kernels import workload as w

    name, out = model.name, {}
    settings = Settings(dt=w.DT, precision="single")
    for state, drive, many in (("strong", w.STRONG, windows[0]), ("usual", w.USUAL, windows[1])):
        network = w.bombarded(model, drive, (many + 5) * w.WINDOW)
        laid = w.laid_out(network)
        engine, V, spikes = w.run_on_cpu(network, "single", many)
        states = engine.shared.states
        if state == "strong":
            _, exact, exact_spikes = w.run_on_cpu(network, "double", many)
            out |= {"strong.single": V.astype(np.float32), "strong.double": exact}
            out |= {"strong.spikes": np.array(exact_spikes), "single.spikes": np.array(spikes)}
            values = {"V": np.full_like(states.V, settings.v_init), "A": states.A * 0}
            values |= {"B": states.B * 0, "S": np.repeat(laid.tables.rest[0], w.LANES)}
        else:
            values = {key: getattr(states, key) for key in "VSAB"}
            print(name, "usual: mean mV", V[-50:, :, 0].mean().round(1), "spikes", len(spikes))
        for key, value in values.items():
            out[f"{state}.{key}"] = value.reshape(-1, w.LANES).astype(np.float32)
        events = w.events_of(network, laid, (many + 5) * w.WINDOW)
        step = events.step - (many * w.WINDOW if state == "usual" else 0)
        due = (step >= 0) & (events.weight > 0)
        out[f"{state}.step"] = step[due]
        for key in ("node", "kind", "lane", "weight"):
            out[f"{state}.{key}"] = getattr(events, key)[due]
    out |= {"row_node": laid.rows.node, "row_kind": laid.rows.kind}
    out["P"] = laid.arrays.P
    factors = np.array([k.factors(w.DT) for k in w.KINETICS]).ravel()
    jumps = np.array([k.jumps(0.0) for k in w.KINETICS]).ravel()
    power = factors ** np.arange(LARGEST_WINDOW + 1)[:, None]
    out |= {"power": power.astype(np.float32), "jump": (jumps / power[:-1]).astype(np.float32)}
    numbers = laid.arrays.coefficient.reshape(model.n_nodes, -1)[:, :4]
    for warps, balanced in ((4, False), (8, False), (4, True), (5, True)):
        plan = Plan(model, warps, balanced)
        key = f"{warps}{'b' * balanced}"
        out |= {
            f"{key}:order": plan.order, f"{key}:table": plan.table.ravel(),
            f"{key}:joins": plan.joins, f"{key}:warp_run": plan.warp_run,
            f"{key}:coefficient": np.ascontiguousarray(numbers[plan.order]).ravel(),
            f"{key}:n_runs": np.int64(plan.n_runs), f"{key}:row": plan.row,
        }  # fmt: skip
    out["about"] = json.dumps(
        {
            "nodes": model.n_nodes,
            "compartments": int((model.area > 0).sum()),
            "states": len(laid.tables.rest[0]),
            "dt": w.DT,
            "threshold": settings.threshold,
            "nernst": nernst_factor(settings.celsius),
            "windows": 12,
            "window": w.WINDOW,
            "reversal": [k.reversal for k in w.KINETICS],
            "model": name,
            "channels": list(model.mechanisms),
        }  # fmt: skip
    )
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", **out)


def kernel_of(variant: Variant, model, folder: Path):
    """(Python function, its arguments for one block as the package nests them, shared bytes)."""
    from isocortex.engine.layout.models import regions_of
    from isocortex.engine.straight.plan import Plan
    from kernels import shared, straight
    from kernels.cases import Case
    from kernels.text import module_of

    case = Case(folder, model.name)
    channels = tuple(region.mechanisms for region in regions_of(model))
    if len(channels) != 1:
        raise ValueError("channels of more than one region")
    entry = asdict(variant) | {"plan": variant.plan}
    made = case.arguments(entry, "usual", 1, 0, 9)
    values = made.values | made.tiled
    plan = Plan(model, variant.warps, variant.balanced)
    numbers = case[f"{variant.plan}:coefficient"].reshape(-1, 4)
    options = {"half": variant.half, "channels": variant.channels}
    if variant.design == "C":
        text, size = shared.text(**options), shared.shared_bytes
    else:
        options |= {"together": variant.together, "copied": variant.copied}
        options |= {"states": case.about["states"]}
        text, size = straight.text(plan, numbers, **options), straight.shared_bytes
    function = module_of(text, channels, folder / "generated").window
    wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
    return (
        function,
        {k: _typed(k, values[k]) for k in wanted},
        (variant.together * size(plan, case.about["states"])),
    )


SINGLE = ("dt", "threshold", "nernst", "e1", "e2")


def _typed(name: str, value: Any):
    if np.ndim(value):
        return np.ascontiguousarray(value).reshape(-1)
    return np.float32(value) if name in SINGLE else np.int32(value)


def parameters(arguments: dict[str, Any]) -> list[list]:
    """(name, "array" or "number", type, dimensions) of every parameter."""
    found = []
    for name, value in arguments.items():
        what = "array" if isinstance(value, np.ndarray) else "number"
        found.append([name, what, str(value.dtype), value.ndim])
    return found


def compile_one(variant: Variant, name: str, folder: Path) -> dict[str, Any]:
    """PTX, cubin and what the assembler says of it."""
    if variant.fast:
        fast_maths()
    from kernels import machine_code

    begun = time.perf_counter()
    function, arguments, size = kernel_of(variant, model_of(name), folder)
    same = folder / f"{name}-{replace(variant, most=None).name}.ptx"
    if variant.most and same.exists():
        ptx = same.read_text()
    else:
        ptx = machine_code.ptx(function, tuple(arguments.values()), variant.fast)
    seconds = time.perf_counter() - begun
    label = f"{name}-{variant.name}"
    entry = asdict(variant) | {
        "name": variant.name, "model": name, "label": label, "cubin": f"{label}.cubin",
        "parameters": parameters(arguments), "shared": size, "ptx_s": round(seconds, 1),
        "threads": [32, variant.warps * variant.together], "plan": variant.plan,
    }  # fmt: skip
    return entry | machine_code.assemble(ptx, folder / label, variant.most, entry["parameters"])


def compile_events(folder: Path) -> None:
    """The kernels that spread spikes."""
    from kernels import machine_code, spread

    i4, i8 = np.zeros(1, np.int32), np.zeros(1, np.int64)
    u2, u4 = np.zeros(1, np.uint16), np.zeros(1, np.uint32)
    one = np.int32(1)
    for function, values, threads in (
        (spread.connect, (i8, *[one] * 5), [256, 1]),
        (spread.spread, (i4, i8, one, u2, *[one] * 6, i4, u4), [32, 4]),
    ):
        names = function.__code__.co_varnames[: len(values)]
        arguments = dict(zip(names, values, strict=True))
        entry = {
            "name": function.__name__, "label": function.__name__, "threads": threads, "shared": 0,
            "design": "events", "parameters": parameters(arguments), "model": "",
            "cubin": f"{function.__name__}.cubin",
        }  # fmt: skip
        ptx = machine_code.ptx(function, values, True)
        entry |= machine_code.assemble(ptx, folder / entry["label"], None, entry["parameters"])
        (folder / f"events-{entry['label']}.json").write_text(json.dumps(entry))


def main() -> None:
    """Everything, each kernel in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["477135941", "476104386"])
    parser.add_argument("--only", nargs="+", help="names of variants")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        model, name = options.one
        variant = next(v for v in VARIANTS if v.name == name)
        entry = compile_one(variant, model, options.folder)
        (options.folder / f"{entry['label']}.json").write_text(json.dumps(entry))
        return
    compile_events(options.folder)
    for model in options.models:
        if not (options.folder / f"{model}.npz").exists():
            write_case(model_of(model), options.folder)
        for variant in VARIANTS:
            if options.only and variant.name not in options.only:
                continue
            label = options.folder / f"{model}-{variant.name}.json"
            if label.exists():
                continue
            command = [sys.executable, "-m", "kernels.prepare", str(options.folder)]
            subprocess.run([*command, "--one", model, variant.name], env=os.environ, check=False)
            if label.exists():
                entry = json.loads(label.read_text())
                keys = ("label", "registers", "spilled", "instructions", "ptx_s", "assemble_s")
                print({key: entry[key] for key in keys}, flush=True)


if __name__ == "__main__":
    main()
