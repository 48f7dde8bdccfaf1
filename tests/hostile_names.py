"""A run whose every name is markup, of HTML or of mathematics: names are text, wherever shown."""

from pathlib import Path

import numpy as np
import pandas as pd
from library_circuit import CELL, clamp, report, write_library_circuit

import isocortex
from isocortex.sonata.write import write_nodes, write_types

IMAGE = "<img src=x onerror=document.title='pwned'>"
SCRIPT = "</script><script>document.title='pwned'</script>"
ATTRIBUTE = "' onmouseover=document.title='pwned' x='"
DOUBLE = '" onfocus="document.title=1" autofocus="'
MATHS = r"$\frac{$ _a^b &lt; <!--"
EMOJI = ":v: [bold]"
ESCAPE = "\x1b[31mred\x1b]0;pwned\x07\u202e"
NAMES = [IMAGE, SCRIPT, ATTRIBUTE, DOUBLE, MATHS, EMOJI, ESCAPE]
REPORT = "<b>v & w"


def hostile_run(folder: Path) -> isocortex.Result:
    """Seven cells of seven types, recorded, two of which spike."""
    folder = folder / "<i>folder & more"
    config = write_library_circuit(
        folder, cells=len(NAMES), edges=[(0, 0, 2), (1, 1, 1)],
        inputs={"clamp": clamp(0.5, (0, 1))}, run={"tstop": 50.0},
        reports={REPORT: report("v", "all", dt=1.0)},
    )  # fmt: skip
    types = np.arange(10, 10 + len(NAMES))
    table = pd.DataFrame(
        {
            "node_type_id": types, "model_type": "biophysical",
            "model_template": f"isocortex:{CELL}", "pop_name": NAMES,
            "location": ["left", "left", IMAGE, IMAGE, SCRIPT, EMOJI, ESCAPE],
            "ei": ["e", "i", "e", "e", SCRIPT, EMOJI, ESCAPE],
        }
    )  # fmt: skip
    write_types(folder / "cells_types.csv", table)
    write_nodes(folder / "cells.h5", "cells", types)
    return isocortex.run(config, threads=1)
