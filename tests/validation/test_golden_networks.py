"""Whole circuits with explicit synapse locations: NEURON's spikes and voltages, step by step."""

import h5py
import numpy as np
import pytest

import isocortex as ic


@pytest.mark.parametrize("engine", ["fast", "reference"])
@pytest.mark.parametrize("name", ["9_cells", "bio_14cells"])
def test_network_equals_bionet(shared, tmp_path, name, engine):
    """Every spike in BioNet's step; voltage to the single precision the reference is stored in."""
    folder = shared / "golden" / "networks" / name
    tstop = 1000.0 if engine == "fast" else 30.0
    result = ic.run(
        folder / "simulation_config.json", output_dir=tmp_path, engine=engine, tstop=tstop
    )
    with h5py.File(folder / "reference" / "spikes.h5") as file:
        (population,) = file["spikes"]
        times = file["spikes"][population]["timestamps"][:]
        ids = file["spikes"][population]["node_ids"][:]
    early = times < tstop
    expected = sorted(zip(ids[early].tolist(), times[early].tolist(), strict=True))
    got = sorted(
        zip(result.spikes["node_ids"].tolist(), result.spikes["timestamps"].tolist(), strict=True)
    )
    assert [i for i, _ in got] == [i for i, _ in expected]
    np.testing.assert_allclose([t for _, t in got], [t for _, t in expected], atol=1e-6)
    golden = np.load(folder / "reference" / "v.npz")
    v = result.report("membrane_potential").values  # sample k is at (k + 1) dt
    np.testing.assert_allclose(v, golden["v"][:, 1 : len(v) + 1].T, atol=0.01)


@pytest.mark.parametrize(
    "config",
    [
        "bmtk/bio_14cells/config.simulation.json",
        "bmtk/bio_1cell/config.simulation_iclamp.json",
        "bmtk/bio_1cell/config.simulation_syns.json",
        "sonata/9_cells/config.json",
        "sonata/5_cells_iclamp/config.json",
    ],
)
def test_public_example_circuits_run(shared, tmp_path, config):
    """As published: locations drawn at random, NeuroML templates, reports we do not have."""
    result = ic.run(
        shared / "examples" / config, output_dir=tmp_path, tstop=600.0,
        skip_unsupported_reports=True,
    )  # fmt: skip
    v = result.report("membrane_potential").values
    assert np.isfinite(v).all()
    assert np.ptp(v, axis=0).min() > 1.0  # every recorded cell is driven


def test_published_single_cell_results(shared, tmp_path):
    """BMTK's stored output of its one-cell example: all 20 spikes, within 1 ms over 2.5 s.

    That run took its parameters from a NeuroML file, rounded; ours are the fit file's.
    """
    folder = shared / "examples" / "bmtk" / "bio_1cell"
    result = ic.run(folder / "config.simulation_iclamp.json", output_dir=tmp_path)
    with h5py.File(folder / "output_iclamp" / "spikes.h5") as file:
        expected = np.sort(file["spikes/biocell/timestamps"][:])
    assert len(expected) == 20
    np.testing.assert_allclose(result.spikes["timestamps"], expected, rtol=0, atol=1.0)
    np.testing.assert_allclose(result.spikes["timestamps"][:4], expected[:4], rtol=0, atol=0.101)
