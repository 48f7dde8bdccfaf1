import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, StepPatch

from isocortex.analysis import fi_curve, morphology, raster, rates, traces
from isocortex.analysis.palette import CLASSES, group_colours, on_light
from isocortex.analysis.style import COLOURS, colours
from isocortex.cells.compiled import CompiledCell
from isocortex.viewer.scene import _values

SPIKES = pd.DataFrame(
    {"timestamps": [10.0, 20.0, 30.0, 95.0], "node_ids": [1, 1, 4, 7], "population": "v1"}
)
GROUPS = {"exc": [1, 2], "inh": [7, 4, 8]}


def saved(figure):
    """Render the figure: it needs neither pyplot nor a window."""
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue()[1:4] == b"PNG"
    return figure


def steps(axes):
    return [patch.get_data() for patch in axes.patches if isinstance(patch, StepPatch)]


def test_raster_draws_each_spike_in_the_row_of_its_cell():
    top, below = saved(raster(SPIKES, GROUPS, duration=100.0, bin_width=50.0)).axes
    exc, inh = top.lines
    assert exc.get_xdata().tolist() == [10.0, 20.0]
    assert exc.get_ydata().tolist() == [0, 0]
    assert inh.get_xdata().tolist() == [30.0, 95.0]
    assert inh.get_ydata().tolist() == [2, 3]
    assert [line.get_color() for line in top.lines] == list(COLOURS[:2])
    assert [label.get_text() for label in top.get_yticklabels()] == ["exc (2)", "inh (3)"]
    assert [data.values.tolist() for data in steps(below)] == [
        [20.0, 0.0],
        pytest.approx([20 / 3, 20 / 3]),
    ]
    assert below.get_xlabel() == "time (ms)"
    assert below.get_ylabel() == "rate (Hz/cell)"


def test_raster_of_many_groups_shows_their_common_rate():
    groups = {f"class {k}": [k] for k in range(10)}
    top, below = saved(raster(SPIKES, groups, duration=100.0, bin_width=100.0)).axes
    assert len(top.lines) == 10
    assert [data.values.tolist() for data in steps(below)] == [[4.0]]


def test_no_two_groups_of_a_raster_share_a_colour():
    groups = {f"class {k}": [k] for k in range(20)}
    top, _ = saved(raster(SPIKES, groups, duration=100.0)).axes
    assert len({line.get_color() for line in top.lines}) == 20


def test_groups_of_a_cortex_have_the_colours_of_the_viewer():
    classes = ["IT", "Pvalb", "Sst"]
    viewer = [value["colour"] for value in _values("cell_class", classes)[0]]
    assert [on_light(c) for c in viewer] == list(group_colours(classes).values())
    mixed = ["L6a E", "L5 E", "L2/3 E", "Inh", "Pvalb", "Sst", "Vip"]
    shades = group_colours(mixed)
    assert list(shades) == mixed and len(set(shades.values())) == len(mixed)
    assert shades["Sst"] == on_light(CLASSES["Sst"])
    light = [sum(to_rgb(shades[name])) for name in mixed[:3]]
    assert light == sorted(light)  # deeper is darker
    assert group_colours(["Sst", "mine"]) == colours(["Sst", "mine"])


def test_a_few_spikes_make_no_high_rates_and_no_grey_block():
    few = SPIKES.assign(timestamps=[100.0, 104.0, 300.0, 950.0])
    top, below = saved(raster(few, GROUPS, duration=1000.0)).axes
    assert not [patch for patch in top.patches if patch.get_height() > 1]
    exc, inh = steps(below)
    assert np.diff(exc.edges).tolist() == [50.0] * 20 and exc.values.max() == 20.0
    assert below.get_xlabel() == "time (ms), rate in bins of 50 ms"


def test_mean_rates_are_without_the_onset_of_a_run():
    late = SPIKES.assign(timestamps=[10.0, 20.0, 600.0, 950.0])
    exc, exc_time, inh, _ = saved(rates(late, GROUPS, duration=1000.0)).axes
    assert exc.get_title(loc="left") == "exc (2 cells): 0.00 Hz"
    assert inh.lines[0].get_xdata()[0] == pytest.approx(2 / 3 / 0.6)
    assert "from 400 ms on" in inh.get_xlabel()
    branch, *_ = saved(rates(late, GROUPS, duration=1000.0, begin=5.0)).axes  # from a state
    assert branch.lines[0].get_xdata()[0] == pytest.approx(1 / 0.995)


def test_raster_without_groups_colours_populations():
    other = SPIKES.assign(population="lgn")
    top, _ = saved(raster(pd.concat([SPIKES, other]))).axes
    assert [line.get_label() for line in top.lines] == ["lgn", "v1"]
    top, _ = saved(raster(SPIKES)).axes
    assert [label.get_text() for label in top.get_yticklabels()] == ["1", "4", "7"]
    saved(raster(SPIKES.iloc[:0]))
    with pytest.raises(ValueError, match="one population"):
        raster(pd.concat([SPIKES, other]), GROUPS)


def test_traces_stack_cells_with_calcium_in_micromolar_and_spike_marks():
    time = np.linspace(0, 10, 101)
    v = np.stack([np.sin(time) - 60, np.cos(time) - 50])
    figure = saved(traces(time, v, cai=np.full((2, 101), 2e-4), spikes=[[1.0], [2.0, 3.0]]))
    assert [axes.get_ylabel() for axes in figure.axes] == ["v (mV)", "Ca (µM)"] * 2
    np.testing.assert_array_equal(figure.axes[2].lines[0].get_ydata(), v[1])
    np.testing.assert_allclose(figure.axes[3].lines[0].get_ydata(), 0.2)
    assert figure.axes[2].lines[1].get_xdata().tolist() == [2.0, 3.0]
    assert figure.axes[-1].get_xlabel() == "time (ms)"
    single = saved(traces(time, v[0], labels=["soma"]))
    assert len(single.axes) == 1
    assert single.axes[0].get_title(loc="left") == "soma"


def test_rates_histogram_and_time_course():
    figure = saved(rates(SPIKES, GROUPS, duration=100.0, bin_width=50.0))
    exc, exc_time, inh, inh_time = figure.axes
    assert exc.get_title(loc="left") == "exc (2 cells): 10.00 Hz"
    assert sum(bar.get_height() for bar in exc.patches) == pytest.approx(100.0)
    assert exc.lines[0].get_xdata()[0] == 10.0
    assert inh.lines[0].get_xdata()[0] == pytest.approx(20 / 3)
    assert steps(exc_time)[0].values.tolist() == [20.0, 0.0]
    assert steps(inh_time)[0].values.tolist() == pytest.approx([20 / 3, 20 / 3])


def test_fi_curve_is_sorted_and_in_picoamperes():
    (axes,) = saved(fi_curve([0.2, -0.1, 0.1], [30.0, 0.0, 5.0])).axes
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [-100, 100, 200])
    assert axes.lines[0].get_ydata().tolist() == [0.0, 5.0, 30.0]
    (axes,) = saved(fi_curve([0.1, 0.2], {"a": [1, 2], "b": [2, 3]})).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


@pytest.fixture
def cell():
    """A soma, a dendrite of two compartments, a branch point, and two thin branches."""
    n = 6
    zero, ids = np.zeros(n), np.arange(n, dtype=np.int32)
    start = np.array([[0, -5, 0], [0, 5, 0], [0, 25, 0], [0, 45, 0], [0, 45, 0], [0, 45, 0.0]])
    end = np.array([[0, 5, 0], [0, 25, 0], [0, 45, 0], [0, 45, 0], [30, 65, 0], [-30, 65, 9.0]])
    return CompiledCell(
        name="toy",
        parent=np.array([-1, 0, 1, 2, 3, 3], dtype=np.int32),
        area=np.array([314.0, 60, 60, 0, 30, 30]),
        cm=zero + 1,
        g_axial=zero,
        section=ids,
        x=zero + 0.5,
        section_type=np.array([1, 4, 4, 4, 3, 3], dtype=np.int8),
        start=start,
        end=end,
        diameter=np.array([10.0, 2, 2, 2, 1, 1]),
        length=zero,
        distance_start=zero,
        distance_end=zero,
        g_pas=zero,
        e_pas=zero,
        ena=zero,
        ek=zero,
        mechanisms={},
        soma=0,
    )


def test_morphology_draws_compartments_by_type_in_two_projections(cell):
    figure = saved(morphology(cell))
    front, side = figure.axes
    (lines,) = (c for c in front.collections if isinstance(c, LineCollection))
    segments = lines.get_segments()
    assert len(segments) == 4  # neither the soma nor the branch point
    assert segments[2].tolist() == [[0.0, 45.0], [30.0, 65.0]]
    assert lines.get_linewidths() == [2.0, 2.0, 1.0, 1.0]
    assert side.collections[0].get_segments()[3].tolist() == [[0.0, 45.0], [9.0, 65.0]]
    (soma,) = (patch for patch in front.patches if isinstance(patch, Circle))
    assert soma.radius == pytest.approx(5.0, rel=1e-3)
    assert soma.center == pytest.approx((0.0, 0.0))
    assert front.texts[0].get_text().endswith("µm")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["soma", "basal dendrite", "apical dendrite"]


def test_morphology_coloured_by_values(cell):
    values = np.array([-70.0, -60, -50, 1000, -40, -30])  # the branch point has no membrane
    figure = saved(morphology(cell, values))
    front, _, bar = figure.axes
    assert bar.get_ylabel() == "v (mV)"
    assert bar.get_ylim() == (-70.0, -30.0)
    shades = front.collections[0].get_colors()
    assert shades[-1] == pytest.approx((0.993248, 0.906157, 0.143936, 1.0))  # top of viridis
    with pytest.raises(ValueError, match="6 nodes"):
        morphology(cell, values[:3])


def test_figures_show_themselves_in_notebooks():
    assert fi_curve([0.0], [0.0])._repr_png_()[1:4] == b"PNG"


def test_one_fast_cell_does_not_squeeze_the_histogram_of_rates():
    ids = np.concatenate([np.arange(300), np.full(200, 300)])
    table = pd.DataFrame({"timestamps": np.linspace(1, 999, 500), "node_ids": ids})
    figure = rates(table, {"all": np.arange(301)}, duration=1000.0)
    left = figure.axes[0]
    assert left.get_xlim()[1] < 5.0
    assert "and more" in left.get_xlabel()
    assert sum(bar.get_height() for bar in left.patches) == pytest.approx(100.0)
