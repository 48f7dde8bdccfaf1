"""The page in a browser: cuts and names, connections, pictures, two runs beside each other."""

import threading

import numpy as np
import pytest
import viewer_page
from PIL import Image
from viewer_page import (
    BACKGROUND,
    WIDTH,
    drawn,
    picture,
    resize,
    settle,
    until,
    value,
)
from viewer_run import write_run

from isocortex.cortex.atlas import load_atlas
from isocortex.viewer.pack import unpack
from isocortex.viewer.server import ViewServer
from isocortex.viewer.session import open_session

#: pytest finds fixtures by their names in a module.
browser, session = viewer_page.browser, viewer_page.session
server, look = viewer_page.server, viewer_page.look


def left(page):
    """Of every neuron, whether the cut and the peel leave it."""
    every = "Array.from({ length: isocortex.app.population.n }, (_, i) => i)"
    return np.array(page.evaluate(f"{every}.map((i) => isocortex.app.cloud.leaves(i))"))


def test_a_slice_shows_what_lies_behind_its_face_and_the_layers_on_it(look, session):
    page = look("t=0&colour=layer&slice=coronal&at=50&thick=10")
    position = session.scene.position[:, 0]
    first = position.min() + 0.5 * np.ptp(position)
    inside = (position >= first - 1) & (position <= first + 0.1 * np.ptp(position) + 1)
    assert np.mean(left(page) == inside) > 0.999
    visible = set(page.locator("#labels .name:visible").all_inner_texts())
    assert visible & {"SSp-bfd", "SSs", "SSp-n"} and "VISp" not in visible
    page.get_by_role("button", name="Front", exact=True).click()
    settle(page)
    colours = {tuple(c // 24) for c in picture(page)[::2, ::2].reshape(-1, 3)}
    bare = look("t=0&colour=layer&slice=coronal&hide.layer=L1~L2/3~L4~L5")
    bare.get_by_role("button", name="Front", exact=True).click()
    settle(bare)
    assert len(colours) > len({tuple(c // 24) for c in picture(bare)[::2, ::2].reshape(-1, 3)})
    bare.get_by_text("Cut and peel").click()  # it is open: a slice is asked for
    bare.get_by_text("Cut and peel").click()
    bare.get_by_role("button", name="Whole").click()
    assert value(bare, "slice") == "" and left(bare).all()


def test_layers_are_peeled_from_the_pia(look, session):
    page = look("t=0&peel=3&outline=false")
    deep = np.isin(session.scene.column_of("layer"), ["L5", "L6a", "L6b"])
    assert (left(page) == deep).all()
    assert page.locator("#cut [data-row=peel] output").inner_text() == "from L5"
    peeled = drawn(picture(page)).mean()
    page.locator("#cut [data-key=peel]").fill("0")
    settle(page)
    assert drawn(picture(page)).mean() > 1.05 * peeled
    page.locator("#cut [data-key=peel]").focus()
    page.keyboard.press("ArrowRight")  # moves the slider, and not the time
    assert value(page, "peel") == 0.1 and value(page, "t") == 0


def test_names_of_areas_come_with_their_size_and_only_from_in_front(look):
    page = look("t=0")
    count = page.locator("#labels .name:visible").count
    far = count()
    assert far > 10
    page.evaluate("isocortex.app.stage.orbit(0, 0, 0.25)")
    settle(page)
    assert count() < far / 2
    page.get_by_role("button", name="Top").click()
    settle(page)
    names = page.locator("#labels .name:visible").all_inner_texts()
    assert "MOs" in names and "AIv" not in names
    page.get_by_text("Cut and peel").click()
    page.get_by_label("Names").uncheck()
    assert count() == 0


def test_the_outline_is_glass_around_all_neurons_and_can_be_put_away(look):
    everything = "~".join(f"L{layer}" for layer in ("1", "2/3", "4", "5", "6a", "6b"))
    page = look(f"t=0&hide.layer={everything}")
    glass = np.abs(picture(page) - BACKGROUND).max(axis=2) > 4
    assert 0.1 < glass.mean() < 0.7
    page.get_by_text("Cut and peel").click()
    page.get_by_label("Outline").uncheck()
    settle(page)
    assert (np.abs(picture(page) - BACKGROUND).max(axis=2) > 4).mean() < 0.001


def test_inputs_and_targets_of_a_neuron_are_counted_by_area_and_drawn(look, session):
    number = session.whole[0]
    page = look(f"neuron=cortex+{session.scene.node_id[number]}&t=0")
    before = picture(page)
    page.get_by_role("button", name="Inputs", exact=True).click()
    page.get_by_role("button", name="Targets", exact=True).click()
    until(page, "isocortex.app.wires.found.in?.rows && isocortex.app.wires.found.out?.rows")
    settle(page)
    assert value(page, "wires") == "both"
    onto = session._onto[session._who(number)]
    inputs, targets = page.locator("table.wires").all()
    assert f"{len(onto.source):,} synapses" in inputs.inner_text()
    cells = "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    lines = inputs.locator("tbody tr:not(.rest)").evaluate_all(cells)
    rows = {name: int(count) for name, _, count, _ in lines}
    name = session.scene.populations[0]
    mine = onto.source_population == onto.population.index(name)
    ids = session.simulation.circuit.nodes[name].node_ids[onto.source[mine]]
    areas = session.scene.column_of("area")[session.scene.index_of(name, ids)]
    for area, count in rows.items():
        if area != "background":
            assert count == np.count_nonzero(areas == area)
    _, arrays = unpack(session.get(f"targets/{number}"))
    assert f"{arrays['count'].sum():,} synapses" in targets.inner_text()
    assert np.abs(picture(page) - before).max(axis=2).mean() > 3  # lines, and others step back
    page.get_by_role("button", name="Inputs", exact=True).click()
    page.get_by_role("button", name="Targets", exact=True).click()
    settle(page)
    assert np.abs(picture(page) - before).mean() < 0.5


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_picture_is_saved_at_its_size_with_what_it_shows(look, session, theme):
    page = look("t=40&colour=layer&picked=VISp")
    resize(page, 1100, 480)
    before = picture(page)
    page.get_by_role("button", name="Save a picture").click()
    dialog = page.locator("#photo")
    assert dialog.locator("[name=label]").input_value() == "VISp"
    dialog.locator("[name=label]").fill("<b>VISp</b> & others")
    dialog.locator("[name=theme]").select_option(theme)
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save PNG").click()
    assert saved.value.suggested_filename.endswith("_cortex_40.0ms.png")
    image = Image.open(saved.value.path())
    assert image.width == pytest.approx(2126, abs=1)  # 180 mm
    wide = image.width / (180 / 25.4)  # that it is printed at its width
    assert image.info["dpi"] == pytest.approx((wide, wide), abs=0.02)
    label, view, made = image.info["Description"].split("\n")
    assert label == "<b>VISp</b> & others" and view == "t = 40.0 ms of 120 ms"
    for words in ("900 neurons", "scale 0.0001", "seed 1", "dt 0.1 ms", "Isocortex "):
        assert words in made
    pixels = np.asarray(image.convert("RGB")).astype(int)
    ground = {"dark": BACKGROUND, "light": (251, 251, 250)}[theme]
    assert (pixels[2, 2] == ground).all()
    foot = pixels[round(before.shape[0] * image.width / before.shape[1]) + 4 :]
    assert 0.01 < (np.abs(foot - ground).max(axis=2) > 60).mean() < 0.3  # words below
    assert value(page, "theme") == ""
    settle(page)
    assert np.abs(picture(page) - before).mean() < 0.5


def test_reports_are_named_with_the_unit_in_which_they_are_read_best(look):
    page = look("t=0")
    told = """(reports) => reports.map(([variable, units, low, high]) => {
        const q = isocortex.quantity({ variable, units, low, high });
        return [q.title, q.unit, q.text(q.at(0)), q.text(q.at(1)), q.shade(0)]; })"""
    assert page.evaluate(told, [
        ["v", "mV", -81.2, 31.0], ["ina_NaTs", "mA/cm2", -0.02, 1e-5], ["g_exc", "uS", 0, 2e-3],
        ["m_NaTs", "1", 0.1, 0.9], ["i_inh", "nA", -0.004, 0.05], ["own", "", 2, 3],
    ]) == [
        ["Membrane voltage", "mV", "−85.0", "35.0", pytest.approx(85 / 120)],
        ["Sodium current of NaTs", "µA/cm²", "−20", "20", 0.5],
        ["Excitatory synaptic conductance", "nS", "0", "2", 0],
        ["State m of NaTs", "", "0", "1", 0],
        ["Inhibitory synaptic current", "pA", "−50", "50", 0.5],
        ["own", "", "2", "3", -2],
    ]  # fmt: skip
    currents = """(reports) => reports.map(([variable, units]) =>
        isocortex.quantity({ variable, units, low: -1, high: 1 }).current)"""
    assert page.evaluate(
        currents, [["ina", "mA/cm2"], ["i_inh", "nA"], ["vext", "mV"], ["own", ""], ["i", "1"]]
    ) == [True, True, False, False, False]


def test_two_runs_beside_each_other_have_one_clock_one_camera_and_the_same_choices(
    browser, session, tmp_path
):
    write_run(tmp_path / "output", session.config, [3, 4], [1.0, 2.0], len(session.scene), 300.0)
    server = ViewServer(session, beside=open_session(tmp_path / "output"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": WIDTH, "height": 500})
    complaints = []
    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}#t=20&colour=layer")
    page.wait_for_selector("body[data-ready=true]", timeout=120000)
    both = "isocortex.apps.map((app) => app.{})".format
    assert page.evaluate(both("state.get('t')")) == [20, 20]
    assert page.evaluate(both("spikes.duration")) == [session.duration, 300]
    assert page.evaluate(both("state.get('to')")) == [300, 300]
    first, second = page.frames[1:]
    second.locator('#legend button[data-pick="VISp"]').evaluate("(button) => button.click()")
    assert page.evaluate(both("state.get('picked')")) == ["VISp", "VISp"]
    first.locator("#canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("d")
    eyes = both("stage.camera.position.toArray()")
    until(page, f"new Set({eyes}.map(String)).size === 1")
    assert page.evaluate(both("state.get('t')")) == [21, 21]
    until(page, f"new Set({both('heat.common')}).size === 1")  # equal colours, equal rates
    differs(page, session)
    first.locator("#transport .play").click()  # the clock is the longer one's, whoever starts it
    until(page, "isocortex.apps[0].state.get('t') > 130")
    second.locator("#transport .play").click()
    assert page.evaluate(both("state.get('playing')")) == [False, False]
    one, two = page.evaluate(both("state.get('t')"))
    assert one == two > session.duration
    page.close()
    server.shutdown()
    server.server_close()
    assert complaints == []


def differs(page, session):
    """Of two runs the second shows by how much the rates of its areas differ from the first's."""
    page.evaluate("Promise.all(isocortex.apps.map((app) => app.filled)).then(() => null)")
    page.evaluate("isocortex.apps[1].state.set({ colour: 'difference' })")
    until(page, "isocortex.apps[1].difference")
    offered = "isocortex.apps.map((app) => app.colourings().some(([key]) => key === 'difference'))"
    assert page.evaluate(offered) == [False, True]
    told, names = page.evaluate(
        """[isocortex.apps[1].difference.hz,
        isocortex.apps[1].population.primary.values.map(({ name }) => name)]"""
    )
    areas = session.scene.column_of("area")
    counts = np.bincount(session.feed.all().neuron, minlength=len(areas))
    other = np.zeros(len(areas))
    other[session.scene.index_of("cortex", np.array([3, 4]))] = 1
    for name, hz in zip(names, told, strict=True):
        mine = areas == name
        first = 1000.0 * counts[mine].mean() / session.duration
        second = 1000.0 * other[mine].mean() / session.duration  # of the time that both have
        assert hz == pytest.approx(second - first, rel=1e-4, abs=1e-4)
    told = page.frames[2].locator("#legend .note").first.inner_text()
    assert f"until {session.duration:g} ms, when the shorter run ends" in told
    # and so over time: its mean is that of the whole time
    less, shown = page.evaluate(
        """(() => { const { heat } = isocortex.apps[1]; heat.compute();
        const mean = (row) => row.slice(0, 120).reduce((a, b) => a + b, 0) / 120;
        return [[...heat.lessOther()].map((row) => mean([...row])), heat.shown]; })()"""
    )
    for v, hz in zip(shown, less, strict=True):
        mine = areas == names[v]
        both = 1000.0 * (other[mine].mean() - counts[mine].mean()) / 120.0
        assert hz == pytest.approx(both, abs=0.15 * abs(both) + 1.0)  # smoothed at the end
    # what is hidden in it counts in neither, at once
    assert page.evaluate(
        """(() => { const app = isocortex.apps[1];
        app.state.set({ hidden: { layer: ['L5'] } });
        const painted = app.cloud.shadesOf.join();
        app.paint();
        const same = painted === app.cloud.shadesOf.join();
        app.state.set({ hidden: {} });
        return same; })()"""
    )


def test_near_by_neurons_have_branches_that_stay_within_the_cortex(look, session):
    page = look("t=0&names=false&outline=false")
    until(page, "isocortex.app.models")
    assert page.evaluate("isocortex.app.grown.numbers.length") == 0  # from afar there are none
    number = session.whole[0]
    page.evaluate(
        f"isocortex.app.stage.controls.target.copy(isocortex.app.cloud.worldOf({number}))"
    )
    page.evaluate("isocortex.app.stage.orbit(0, 0, 1e6)")  # as near as it goes
    page.evaluate("isocortex.app.stage.orbit(0, 0, 0.02)")
    settle(page)
    until(page, "isocortex.app.grown.branches")
    grown = page.evaluate("isocortex.app.grown.numbers")
    assert grown[0] == number and 1 < len(grown) <= 48
    with_branches = drawn(picture(page)).mean()
    page.evaluate("isocortex.app.grown.scene.clear(); isocortex.app.stage.view.repaint()")
    settle(page)
    assert with_branches > drawn(picture(page)).mean() + 0.01
    ends = page.evaluate(
        """(() => { const { end } = isocortex.app.grown.branches.mesh.geometry.attributes;
        const point = isocortex.app.stage.camera.position.clone();
        return Array.from({ length: end.count }, (_, k) => isocortex.app.space.toAtlas(
          point.fromArray(end.array, 3 * k), [0, 0, 0]).map((mm) => 1000 * mm)); })()"""
    )
    depth = load_atlas().volume.at(np.array(ends, np.float32)).depth
    assert np.mean(np.isfinite(depth)) > 0.95  # in the cortex, or within a node of it
    page.evaluate("isocortex.app.stage.home()")
    settle(page)
    assert not page.evaluate("isocortex.app.grown.scene.visible")


def test_the_page_draws_a_figure_and_goes_on_as_it_was(look):
    page = look("t=40&picked=VISp&theme=light")
    before = picture(page)
    page.get_by_role("button", name="Save a picture").click()
    dialog = page.locator("#photo")
    dialog.locator("[name=show]").select_option("figure")
    assert dialog.locator("[name=label]").is_disabled()
    with page.expect_download(timeout=120000) as saved:
        dialog.get_by_role("button", name="Save PNG").click()
    assert saved.value.suggested_filename.endswith("_figure.png")
    image = Image.open(saved.value.path())
    assert image.width == 2126 and image.info["Description"].startswith("VISp; VISp, right")
    until(page, "!document.querySelector('#photo').open")
    settle(page)
    assert np.abs(picture(page) - before).mean() < 0.5
    page.keyboard.press("ArrowRight")
    assert value(page, "t") == 41 and page.evaluate("isocortex.app.stage.ratio") == 1
