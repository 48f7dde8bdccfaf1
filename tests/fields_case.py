"""Small files of potentials and electrodes, as COMSOL and BMTK write them."""

import numpy as np


def write_mesh(path, n):
    """The points of a round electrode, um."""
    turn = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    lines = [f"{15.0 * np.cos(a):.6f} {15.0 * np.sin(a):.6f} 5.0\n" for a in turn]
    path.write_text("".join(["x_pos y_pos z_pos\n", *lines]))


def write_map(path, rng, unit, times=None, reach=400.0, n=400):
    """A potential at random places in a cube that bends and changes with place and time (s)."""
    place = rng.uniform(-reach, reach, (n, 3))
    toward, away = rng.normal(0.0, 1.0, 3), rng.uniform(-1.0, 1.0, 3) * reach
    far = np.linalg.norm(place - away, axis=1)
    columns = [place @ toward / reach + 100.0 / (far + 50.0)]
    name = f"V ({unit})"
    names = [name]
    if times is not None:
        phase = rng.uniform(0.0, 6.0, n)
        columns = [columns[0] * np.cos(400.0 * time + phase) for time in times]
        names = [f"{name} @ t={time:g}" for time in times]
    head = ["Model:              test.mph", "Version:            COMSOL 6.0.0.318",
            "Date:               Mar 5 2023, 19:35", "Dimension:          3", f"Nodes:  {n}",
            f"Expressions:        {len(names)}", "Description:        Electric potential",
            "Length unit:        \N{MICRO SIGN}m", "   ".join(["x", "y", "z", *names])]  # fmt: skip
    rows = ["   ".join(f"{x:.14g}" for x in row) for row in np.column_stack([place, *columns])]
    text = "\n".join([*(f"% {line}" for line in head), *rows, ""])
    path.write_text(text, encoding="utf-8")
