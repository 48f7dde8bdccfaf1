"""`isocortex mechanisms`: channels from mod files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isocortex.cli.terminal import out

app = typer.Typer(help="Channels from NEURON's mod files.", no_args_is_help=True)


@app.command("import")
def mechanisms_import(
    files: Annotated[list[Path], typer.Argument(help="Mod files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
) -> None:
    """Translate mod files into Python files, to be read, changed and named by a configuration."""
    from isocortex.nmodl.importing import import_mod

    for file in files:
        path, made = import_mod(file, output)
        out.print(f"{path}: {made.summary}")
        for note in made.notes:
            out.print(f"  {note}")
