"""`isocortex validate`: the gates of a cortex that lives by its own connections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isocortex.cli.terminal import ConfigOption, err, in_pieces, out

if TYPE_CHECKING:
    from isocortex.validation.outcome import Validation


def validate(
    circuit: Annotated[
        Path, typer.Argument(help="A built cortex (folder or configuration), or results of a run.")
    ],
    seeds: Annotated[
        int, typer.Option(min=1, help="Networks to run: the recipe's seed and those after it.")
    ] = 1,
    gates: Annotated[
        str | None, typer.Option(help="Names of gates to measure, with commas. [default: all]")
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="Few and short runs: a minute or two for 9000 neurons.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for runs, page and JSON; a later call goes on "
                     "from what it holds. [default: CIRCUIT/validation]"),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all cores.")] = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Measure whether a cortex lives by its own connections: the table of gates."""
    from isocortex.html_report.gates import write_gates
    from isocortex.validation.run import output_of, validate

    folder = output_of(circuit, output)
    wanted = [name.strip() for name in gates.split(",") if name.strip()] if gates else None
    with in_pieces("Validating", folder) as progress:
        found = validate(
            circuit, seeds=seeds, gates=wanted, short=short, output=folder,
            threads=threads, config=config, progress=progress, announce=out.print,
        )  # fmt: skip
    _tell(found)
    if found.facts.get("currents") or found.facts.get("overrides"):
        err.print("These results are not of a cortex at rest: it had currents or overrides.")
    out.print(f"Page: {write_gates(found, folder / 'gates.html')}")
    out.print(f"JSON: {found.write_json(folder / 'gates.json')}")


def _tell(found: Validation) -> None:
    """A gate, then the lines that it is judged by; of those that were not measured the name."""
    from isocortex.validation.gates import FAILS, UNMEASURED

    for each in found.gates:
        sources = ", ".join(source.text for source in each.gate.sources)
        out.print(f"{each.gate.title}: {each.verdict}" + (f" ({sources})" if sources else ""))
        for line in each.lines:
            if not line.known and each.verdict == UNMEASURED and not line.note:
                continue
            verdict = line.verdict or "told only"
            target = f", target {line.criterion.target}" if line.criterion.judged else ""
            note = f" ({line.note})" if line.note else ""
            out.print(f"  {verdict:12}  {line.criterion.what}: {line.measured}{target}{note}")
        if each.verdict == FAILS and each.gate.needs:
            out.print(f"  it would need {each.gate.needs}")
    out.print(found.summary)
