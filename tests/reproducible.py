"""The same model and the same spikes, whatever the processor and the libraries make of arithmetic.

    python tests/reproducible.py

Divides the atlas into columns anew, builds a small cortex and runs 100 ms of it in both precisions
and with synapses drawn at every spike: once as the machine would and once each with other BLAS
kernels, without the newer instructions of NumPy and the C library, on two threads and compiled for
an older processor. The digests of columns, model and spikes must be equal. The first run compiles
for the older processor, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCALE, TSTOP = 0.0005, 100.0
#: Runs of it: name, precision, whether synapses are stored.
RUNS = (("double", "double", True), ("single", "single", True), ("drawn", "single", False))
#: Variables by which a user may have chosen one of the conditions for all of them.
CHOICES = (
    "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "GLIBC_TUNABLES", "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES", "NUMBA_NUM_THREADS",
)  # fmt: skip


def look(threads: int) -> dict[str, str | int]:
    """Digests of columns, model and spikes, computed in this process."""
    from isocortex import run
    from isocortex.cortex.atlas import load_atlas
    from isocortex.cortex.build import build_cortex
    from isocortex.cortex.columns import divide
    from isocortex.cortex.digest import digest
    from isocortex.cortex.model import CortexModel
    from isocortex.cortex.recipe import Recipe

    cortex = CortexModel.make(Recipe(scale=SCALE))
    columns = hashlib.sha256(divide(load_atlas()).column.astype("<u2").tobytes())
    seen: dict[str, str | int] = {"columns": columns.hexdigest()[:16], "model": digest(cortex)[:16]}
    with tempfile.TemporaryDirectory() as folder:
        config = build_cortex(Path(folder), cortex, tstop=TSTOP)
        for name, precision, stored in RUNS:
            output = Path(folder) / name
            spikes = run(
                config, precision=precision, threads=threads, store_synapses=stored,
                output_dir=output,
            ).spikes  # fmt: skip
            spikes = spikes.sort_values(["timestamps", "node_ids"])
            total = hashlib.sha256(spikes["timestamps"].to_numpy("<f8").tobytes())
            total.update(spikes["node_ids"].to_numpy("<i8").tobytes())
            seen[name] = total.hexdigest()[:16]
            seen[f"{name} spikes"] = len(spikes)
    assert seen["drawn"] == seen["single"] and seen["drawn spikes"], seen
    return seen


def conditions() -> list[tuple[str, dict[str, str], int]]:
    """Name, environment and number of threads; the first is what the others are compared with."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    made: list[tuple[str, dict[str, str], int]] = [
        ("as it is", {}, 1),
        ("2 threads", {}, 2),
    ]
    if platform.machine() not in ("x86_64", "AMD64"):
        return made
    has = [name for name, there in __cpu_features__.items() if there]
    kernels = ["Nehalem", "Sandybridge", "Haswell", *(["SkylakeX"] if "AVX512_SKX" in has else [])]
    made += [(f"BLAS for {name}", {"OPENBLAS_CORETYPE": name}, 1) for name in kernels[:1]]
    made += [(f"BLAS for {name}", {"OPENBLAS_CORETYPE": name}, 1) for name in kernels[-1:]]
    dispatched = " ".join(name for name in __cpu_dispatch__ if name in has)
    older = {
        "NPY_DISABLE_CPU_FEATURES": dispatched,
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-AVX2_Usable,-FMA_Usable",
    }
    made.append(("NumPy and libm without AVX2 and FMA", older, 1))
    made.append(
        ("compiled for Haswell", {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": HASWELL}, 1)
    )
    return made


#: What the compiler may use of a processor of 2013: no AVX-512.
HASWELL = "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.1,+sse4.2,+ssse3"


def main() -> int:
    """Compare all conditions; 1 if one parts."""
    base = {name: value for name, value in os.environ.items() if name not in CHOICES}
    first, parted = None, []
    for name, environment, threads in conditions():
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--look", str(threads)],
            env=base | environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            print(f"{name}: ended with {done.returncode}", flush=True)
            parted.append(name)
            continue
        seen = json.loads(done.stdout.splitlines()[-1])
        first = first or seen
        other = [what for what in first if seen[what] != first[what]]
        print(
            f"{name:36} columns {seen['columns']}  model {seen['model']}"
            f"  double {seen['double']} ({seen['double spikes']})"
            f"  single {seen['single']} ({seen['single spikes']})"
            f"  {time.perf_counter() - begin:.0f} s"
            + (f"  OTHER: {', '.join(other)}" * bool(other)),
            flush=True,
        )
        if other:
            parted.append(name)
    if parted:
        print(f"not reproducible: {'; '.join(parted)}")
    return 1 if parted else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--look"]:
        print(json.dumps(look(int(sys.argv[2]))))
    else:
        sys.exit(main())
