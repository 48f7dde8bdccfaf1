"""What the benchmarks share: the machine in words, medians, and where results go."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
COMMAND = [str(Path(sys.executable).with_name("isocortex"))]


def describe(python: str | None = None) -> str:
    """The machine and all versions; the peers' are asked from the Python they live in."""
    words = (
        f"Machine: {cpu()}, {os.cpu_count()} logical cores, {platform.system()}"
        f" {platform.machine()}. Python {platform.python_version()}, numba {version('numba')},"
        f" numpy {version('numpy')}"
    )
    if python is None:
        return f"{words}."
    ask = "from importlib.metadata import version as v;" \
          "print(*(f'{n} {v(n)}' for n in ('neuron', 'bmtk', 'arbor')), sep=', ')"  # fmt: skip
    peers = subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()
    return f"{words}; {peers}."


def cpu() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"


def bionet_files(python: str) -> Path:
    """The folder of bmtk, in another Python, with five cell models and NMODL files."""
    ask = "import bmtk; print(bmtk.__path__[0])"
    done = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()) / "utils" / "scripts" / "bionet"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def write(name: str, title: str, lines: list[str], folder: Path = RESULTS) -> Path:
    """Print a result and keep it as ``<date>-<name>.md``."""
    today = datetime.date.today()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{today}-{name}.md"
    text = "\n".join([f"# {title}, {today}", "", *lines])
    file.write_text(f"{text}\n", encoding="utf-8")
    print(text, f"\n-> {file}", flush=True)
    return file
