"""Small cells for tests: cables and random trees, made without any file."""

from __future__ import annotations

import numpy as np

from isocortex.cells.compiled import CompiledCell, MechanismTable
from isocortex.mechanisms import DENSITY
from isocortex.network.network import Connections, Network, PointNeurons, Slots, SpikeTrains


def tree(parent, area, g_axial, *, cm=1.0, g_pas=1e-4, e_pas=-70.0, mechanisms=None, name="tree"):
    """A cell from its tree; every node is a section of its own."""
    n = len(parent)
    full = lambda x: np.broadcast_to(np.asarray(x, float), n).copy()  # noqa: E731
    area = full(area)
    return CompiledCell(
        name=name,
        parent=np.asarray(parent, np.int32),
        area=area,
        cm=full(cm) * (area > 0),
        g_axial=full(g_axial),
        section=np.arange(n, dtype=np.int32),
        x=full(0.5),
        section_type=np.where(np.arange(n) == 0, 1, 3).astype(np.int8),
        start=np.zeros((n, 3)),
        end=np.zeros((n, 3)),
        diameter=full(1.0),
        length=full(10.0),
        distance_start=np.arange(n) * 10.0,
        distance_end=np.arange(1, n + 1) * 10.0,
        g_pas=full(g_pas) * (area > 0),
        e_pas=full(e_pas),
        ena=full(53.0),
        ek=full(-107.0),
        mechanisms=mechanisms or {},
        soma=0,
    )


def cable(n, length, diameter, *, ra=100.0, cm=1.0, g_pas=1e-4, e_pas=-70.0):
    """An unbranched cylinder (um, ohm cm, uF/cm2, S/cm2) of ``n`` equal compartments."""
    dx = length / n
    area = np.pi * diameter * dx  # um2
    resistance = 1e-2 * ra * dx / (np.pi * diameter**2 / 4)  # MOhm between neighbours' middles
    return tree(
        np.arange(n) - 1, area, np.r_[0.0, np.full(n - 1, 1 / resistance)],
        cm=cm, g_pas=g_pas, e_pas=e_pas, name="cable",
    )  # fmt: skip


def random_tree(seed, n=12, mechanisms=tuple(DENSITY), name=None):
    """A random tree with a zero-area branch point and mechanisms with random densities.

    All mechanisms sit on the root and two more compartments, those of dendrites on a few others
    too; so trees of one list of mechanisms share a kernel.
    """
    rng = np.random.default_rng(seed)
    parent = np.array([-1] + [int(rng.integers(max(0, i - 3), i)) for i in range(1, n)])
    area = rng.uniform(50.0, 500.0, n)
    area[n // 2] = 0.0
    real = rng.permutation(np.flatnonzero(area > 0)[1:])
    everywhere, dendrites = np.r_[0, real[:2]], real[2:5]
    tables = {}
    for mechanism in mechanisms:
        nodes = np.r_[everywhere, dendrites] if mechanism in DENDRITIC else everywhere
        nodes = np.sort(nodes).astype(np.int32)
        values = {"gbar": rng.uniform(0.2, 1.0, len(nodes)) * CONDUCTANCE.get(mechanism, 1e-3)}
        if mechanism == "CaDynamics":
            values = {"gamma": np.full(len(nodes), 0.01), "decay": np.full(len(nodes), 200.0)}
        tables[mechanism] = MechanismTable(nodes, values)
    return tree(
        parent, area, rng.uniform(0.005, 0.05, n), cm=1.5, g_pas=5e-5, e_pas=-80.0,
        mechanisms=tables, name=name or f"random {seed}",
    )  # fmt: skip


DENDRITIC = ("Ih", "Im", "NaTa", "Ca_LVA", "CaDynamics")
CONDUCTANCE = {
    "NaTs": 0.5, "NaTa": 0.1, "NaV": 0.05, "Kv3_1": 0.05, "K_P": 0.02, "K_T": 0.01,
    "Nap": 5e-4, "Ca_HVA": 1e-4, "Ca_LVA": 1e-3,
}  # fmt: skip


def wire(models, cell_model, synapses, kinetics, *, n_virtual=0, trains=None, points=None):
    """A network from a list of (source, cell or -1 - point, node, kind, weight, delay).

    Synapses of plastic ``kinetics`` release as these do.
    """
    n_cells = len(cell_model)
    points = points or PointNeurons(np.zeros(0), np.zeros(0))
    real = sorted({(c, node, kind) for _, c, node, kind, _, _ in synapses if c >= 0})
    number = {slot: k for k, slot in enumerate(real)}
    columns = np.array(real, np.int64).reshape(-1, 3).T
    releases = list(dict.fromkeys(k.release for k in kinetics if k.release is not None))
    number_of = {None: 0} | {release: k + 1 for k, release in enumerate(releases)}
    later = lambda s: getattr(kinetics[s[3]].release, "later", 0.0) if s[1] >= 0 else 0.0  # noqa: E731
    both = [(*s, 0) for s in synapses]
    both += [(*s[:5], s[5] + later(s), len(releases)) for s in synapses if later(s)]
    released = lambda s: number_of[kinetics[s[3]].release] + s[6] if s[1] >= 0 else 0  # noqa: E731
    ordered = sorted(both, key=lambda s: (s[0], s[5], released(s)))
    sources = np.array([s[0] for s in ordered], np.int64)
    n_sources = n_cells + len(points) + n_virtual
    delays, index = np.unique([s[5] for s in ordered], return_inverse=True)
    return Network(
        models=models,
        cell_model=np.asarray(cell_model, np.int64),
        kinetics=[k.conductance for k in kinetics],
        slots=Slots(*columns),
        releases=releases,
        connections=Connections(
            first=np.searchsorted(sources, np.arange(n_sources + 1)),
            target=np.array(
                [number[s[1:4]] if s[1] >= 0 else len(real) - 1 - s[1] for s in ordered], np.int64
            ),
            weight=np.array([s[4] for s in ordered], float),
            delay=index.astype(np.uint16),
            delays=np.asarray(delays, float),
            release=np.array([released(s) for s in ordered], np.uint16) if releases else None,
        ),
        points=points,
        n_virtual=n_virtual,
        trains=trains or SpikeTrains(np.zeros(0, np.int64), np.zeros(0)),
        populations=["cells"],
        source_population=np.zeros(n_sources, np.int64),
        source_node_id=np.arange(n_sources),
    )
