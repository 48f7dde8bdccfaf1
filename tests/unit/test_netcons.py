"""`netcon_report`: which synapses, which columns, and what is refused."""

import json

import h5py
import numpy as np
import pytest
from library_circuit import clamp, poisson, write_library_circuit

import isocortex as ic
from isocortex.errors import ConfigError


def _write(folder, inputs=None, **report):
    return write_library_circuit(
        folder, edges=[(1, 0, 2), (0, 1, 1)], recurrent=[(1, 0, 3)],
        inputs={"step": clamp(0.6, (1,)), "drive": poisson()} if inputs is None else inputs,
        reports={"synapses": {"module": "netcon_report", "variable_name": "g", **report}},
    )  # fmt: skip


def _report(folder, name="synapses"):
    return h5py.File(folder / "output" / f"{name}.h5")["report/cells"]


def test_virtual_sources_are_minus_one_as_in_bmtk_and_named_beside(tmp_path):
    ic.run(_write(tmp_path))
    mapping = _report(tmp_path)["mapping"]
    assert mapping["src_ids"][:].tolist() == [1, 1, 1, -1, -1, -1]
    assert mapping["trg_ids"][:].tolist() == [0, 0, 0, 0, 0, 1]
    assert mapping["src_node_ids"][:].tolist() == [1, 1, 1, 1, 1, 0]
    names = mapping["src_populations"].asstr()[:].tolist()
    assert names == ["cells"] * 3 + ["drive"] * 3


def test_virtual_nodes_without_input_make_no_synapse_as_in_bmtk(tmp_path):
    ic.run(_write(tmp_path, inputs={"step": clamp(0.6, (1,))}))
    assert _report(tmp_path)["mapping/src_ids"][:].tolist() == [1, 1, 1]
    assert _report(tmp_path)["data"].shape[1] == 3


def test_every_variable_has_a_file_of_its_own(tmp_path):
    ic.run(_write(tmp_path, variable_name=["A", "B"]))
    a, b = (_report(tmp_path, f"synapses_{name}")["data"] for name in "AB")
    assert (a.attrs["variable"], b.attrs["variable"]) == ("A", "B")
    assert (b[:] >= a[:]).all() and b[:].max() > 0


def test_states_jump_where_an_event_falls_into_the_second_half_of_a_step(tmp_path):
    spikes = {"input_type": "spikes", "module": "sonata", "input_file": "spikes.h5"}
    config = _write(tmp_path, variable_name="B", inputs={"s": {**spikes, "node_set": "drive"}})
    with h5py.File(tmp_path / "spikes.h5", "w") as file:
        file["spikes/drive/node_ids"] = np.array([0, 1], np.uint64)
        file["spikes/drive/timestamps"] = np.array([2.02, 2.08])  # + 1 ms of delay
    ic.run(config)
    mapping, data = _report(tmp_path)["mapping"], _report(tmp_path)["data"][:]
    virtual = mapping["src_ids"][:] < 0
    early, late = (
        np.flatnonzero(virtual & (mapping["src_node_ids"][:] == node))[0] for node in (0, 1)
    )
    assert not data[:, ~virtual].any()
    assert np.argmax(data[:, early] > 0) == np.argmax(data[:, late] > 0) == 30
    fade = np.exp(-0.1 / 1.7)  # of the step in whose first half it fell
    np.testing.assert_allclose(data[30, early] / data[30, late], fade, rtol=1e-6)
    np.testing.assert_allclose(data[31, early], data[31, late] * fade, rtol=1e-6)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ({"variable_name": "tau"}, "Exp2Syn synapses have no 'tau'"),
        ({"variable_name": "v"}, "synapses have no 'v'"),
        ({"syn_type": "netcon"}, "type netcon"),
        ({"syn_type": "ExpSyn"}, "type ExpSyn"),
    ],
)
def test_what_no_synapse_has_is_refused(tmp_path, report, told):
    with pytest.raises(ConfigError, match=told) as error:
        ic.run(_write(tmp_path, **report))
    assert error.value.fix


def test_a_state_of_expsyn_is_not_invented(tmp_path):
    config = _write(tmp_path, variable_name="A", syn_type=None)
    types = (tmp_path / "edge_types.csv").read_text()
    (tmp_path / "edge_types.csv").write_text(types.replace("exp2syn", "expsyn"))
    (tmp_path / "exc.json").write_text(json.dumps({"tau1": 2.0, "erev": 0.0}))
    with pytest.raises(ConfigError, match="ExpSyn synapses have no 'A'"):
        ic.run(config)


def test_a_branch_whose_rates_fluctuate_otherwise_has_no_state_of_single_synapses(tmp_path):
    """Engines begin such trains anew, which the recorder would not."""

    def config(sigma):
        course = {"fluctuation": {"sigma": sigma, "tau": 20.0}}
        return _write(tmp_path / str(sigma), inputs={"drive": poisson() | course})

    state = tmp_path / "out" / "state_5ms.h5"
    ic.run(config(0.5), output_dir=state.parent, save_at=5.0, threads=1)
    ic.run(config(0.5), output_dir=tmp_path / "same", start_from=state, threads=1)
    with pytest.raises(ConfigError, match="what these single synapses stand at"):
        ic.run(config(0.3), output_dir=tmp_path / "other", start_from=state, threads=1)
