"""What a machine has no memory for is refused before any of it is taken, with what would help."""

import pytest
from library_circuit import write_library_circuit

import isocortex as ic
from isocortex.cortex.build import build_cortex
from isocortex.cortex.model import CortexModel
from isocortex.cortex.recipe import Recipe
from isocortex.engine.layout.sizes import sizes_of
from isocortex.errors import ConfigError
from isocortex.network.build import build_network
from isocortex.network.memory import SORTED
from isocortex.session import room
from isocortex.session.setup import Options, build
from isocortex.sonata.config import load_simulation


def let(monkeypatch, free):
    monkeypatch.setattr("isocortex.network.memory.available_memory", lambda: free)


def test_synapses_that_do_not_fit_are_refused_before_they_are_made(tmp_path, monkeypatch):
    """An edge with nsyns of 2^31 - 1 took all memory, and the system killed the process."""
    let(monkeypatch, 20e9)
    edges = [(0, 0, 3), (1, 1, 2**31 - 1)]
    config = write_library_circuit(tmp_path, edges=edges)
    message = (
        r"edges/drive_to_cells: 2,147,483,650 synapses \(edge 1 alone has nsyns 2,147,483,647\)"
        rf" need about {SORTED * 2.14748365:.1f} GB of memory, 20.0 GB are free\. Check nsyns"
    )
    with pytest.raises(ConfigError, match=message):
        build(load_simulation(config), Options())


def test_cells_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    """Only stored synapses were counted: cells were made until the system killed the process."""
    config = write_library_circuit(tmp_path, cells=2000)
    needed = r"networks.nodes: 2,000 cells of [\d,]+ compartments need about"
    let(monkeypatch, 1e6)
    with pytest.raises(ConfigError, match=needed + ".*single precision"):
        build(load_simulation(config), Options())
    with pytest.raises(ConfigError, match=needed + ".*mixed precision"):
        build(load_simulation(config), Options(precision="single"))
    with pytest.raises(ConfigError, match=needed + ".*machine larger\\.$"):
        build(load_simulation(config), Options(precision="mixed"))
    let(monkeypatch, 1e9)
    assert build(load_simulation(config), Options()).n_cells == 2000


@pytest.fixture(scope="module")
def cortex(tmp_path_factory):
    model = CortexModel.make(Recipe(scale=0.0002))
    return build_cortex(tmp_path_factory.mktemp("cortex"), model, tstop=10.0)


@pytest.mark.parametrize("store", [True, False])
def test_what_a_cortex_takes_is_told_before_its_synapses_are_made(cortex, store):
    """Stored, it is what sorting takes; drawn, the state of every place there may be synapses."""
    told = []
    network = build_network(load_simulation(cortex), store, fits=told.append)
    extent = room.sizes_of_extent(told[0], "double")
    made = sizes_of(network, "double")
    assert extent.states == made.states
    assert extent.tables == made.tables
    assert extent.wiring == pytest.approx(made.wiring, rel=0.3)
    assert extent.peak == pytest.approx(made.peak, rel=0.1)
    if not store:  # beside these, synapses of the background wherever they were placed
        assert extent.rows == pytest.approx(made.rows, rel=0.1)


def test_a_recipe_that_does_not_fit_is_told_what_would_help(cortex, monkeypatch):
    let(monkeypatch, 1e7)
    simulation = load_simulation(cortex)
    with pytest.raises(ConfigError) as error:
        build(simulation, Options(store_synapses=True))
    assert "nsyns" not in str(error.value)
    assert "edges/" not in str(error.value)
    assert "--draw-synapses" in str(error.value)
    with pytest.raises(ConfigError, match="cells of"):  # drawn, they take nothing
        ic.open_session(simulation, store_synapses=False)
