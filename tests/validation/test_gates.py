"""The short form of the gates at scale 0.001: nobody loses the operating point unawares."""

import pytest

import isocortex as ic

#: What holds in the short form. Those that are not here fail, or are not measured by it: the table
#: in docs/cortex_model.md has them all.
HOLD = ("rates", "synapses", "irregular", "correlated", "balance", "seizure")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gates")
    config = ic.build_cortex(folder, ic.CortexModel.make(ic.Recipe(scale=0.001)), tstop=1.0)
    return ic.validate(config, short=True, threads=2)


@pytest.mark.parametrize("gate", HOLD)
def test_what_held_holds(short, gate):
    assert short.verdicts[gate] in ("holds", "holds in part"), short.table.to_string()


def test_the_cortex_is_driven_by_its_own_connections(short):
    """Half of the excitation and more at the full length of a run; and without them it is quiet."""
    values = {line.criterion.quantity: line.value for each in short.gates for line in each.lines}
    assert 0.35 < values["recurrence.share"] < 0.75, short.table.to_string()
    assert values["recurrence.cut_E"] < 0.67, short.table.to_string()
