"""The page in a browser: what is drawn, and what happens when one uses it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import viewer_page
from library_circuit import poisson, write_library_circuit
from viewer_page import (
    HEIGHT,
    WIDTH,
    drawn,
    picture,
    resize,
    settle,
    until,
    value,
    wait_for_hash,
)
from viewer_run import served, write_run

from isocortex.viewer import scene
from isocortex.viewer.export import write_page
from isocortex.viewer.server import ViewServer
from isocortex.viewer.session import Session, open_session

#: pytest finds fixtures by their names in a module.
browser, session = viewer_page.browser, viewer_page.session
server, look = viewer_page.server, viewer_page.look


def test_the_cortex_fills_the_picture_with_the_colours_of_its_hemispheres(look):
    page = look("colour=hemisphere&t=0")
    page.get_by_role("button", name="Top").click()
    settle(page)
    image = picture(page)
    there = drawn(image)
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    assert np.ptp(rows) > 0.5 * image.shape[0]
    middle = (columns[0] + columns[-1]) // 2
    assert abs(middle - image.shape[1] / 2) < 0.05 * image.shape[1]
    left, right = (image[:, part][there[:, part]].mean(axis=0)
                   for part in (slice(0, middle - 5), slice(middle + 5, None)))  # fmt: skip
    assert left[2] > 1.5 * left[0] and right[0] > 1.5 * right[2]  # blue; orange


def test_a_hidden_hemisphere_is_gone(look):
    whole = drawn(picture(look("t=0"))).mean()
    page = look("t=0&hide.hemisphere=right")
    assert 0.2 * whole < drawn(picture(page)).mean() < 0.85 * whole
    page.get_by_role("button", name="Show right").click()
    settle(page)
    assert abs(drawn(picture(page)).mean() - whole) < 0.01


def test_neurons_flash_when_they_spike(look, session):
    spikes = session.feed.all()
    counts, edges = np.histogram(spikes.time, 60, (0, 120))
    busy = float(edges[np.argmax(counts) + 1])
    quiet, loud = (picture(look(f"t={t}&colour=hemisphere")) for t in (0, busy))
    bright, was = ((image.max(axis=2) > 235).sum() for image in (loud, quiet))
    assert bright > 50 + was
    # and keep the hue of their hemispheres: left is blue, right is orange
    shining = loud[(loud.max(axis=2) > 235) & (quiet.max(axis=2) < 200)]
    assert np.mean(shining.max(axis=1) - shining.min(axis=1)) > 80


def test_cells_are_silent_in_the_time_that_their_rates_are_of(look, session):
    page = look("t=0")
    since = 0.8 * session.duration
    page.evaluate(f"(isocortex.app.since = () => {since}, isocortex.app.detail.population())")
    told = page.locator("dt:text-is('silent') + dd").first.inner_text()
    spikes, n = session.feed.all(), len(session.scene.node_id)
    late = 1.0 - len(np.unique(spikes.neuron[spikes.time >= since])) / n
    ever = 1.0 - len(np.unique(spikes.neuron)) / n
    assert told == f"{100.0 * late:.0f} %" != f"{100.0 * ever:.0f} %"


def test_play_pause_step_and_keys_move_time(look, session):
    page = look("speed=50")
    page.get_by_role("button", name="Play").click()
    until(page, "isocortex.app.state.get('t') > 5")
    page.get_by_role("button", name="Pause").click()
    t = value(page, "t")
    assert not value(page, "playing")
    page.keyboard.press("Escape")
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert value(page, "t") == pytest.approx(t + 11.0)
    page.keyboard.press("End")
    assert value(page, "t") == session.duration
    page.keyboard.press(" ")  # from the end it begins again
    until(page, "isocortex.app.state.get('t') < 60")
    page.keyboard.press(" ")
    assert not value(page, "playing")


def test_space_plays_after_a_click_and_presses_what_tab_reached(look):
    page = look("speed=1")
    page.locator('#legend button[data-pick="VISp"]').click()
    page.keyboard.press(" ")
    assert value(page, "playing") and value(page, "picked") == "VISp"
    page.keyboard.press(" ")
    page.locator("#colour").select_option("layer")
    page.keyboard.press(" ")
    assert value(page, "playing") and value(page, "colour") == "layer"
    page.keyboard.press(" ")
    page.locator('#legend button[data-pick="VISp"]').focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(" ")
    assert not value(page, "playing") and value(page, "picked") == ""


def test_back_leads_to_the_view_one_came_from_and_not_off_the_page(look):
    page = look("t=20")
    page.keyboard.press("d")
    place = page.evaluate("isocortex.app.stage.camera.position.toArray()")
    page.keyboard.press("2")
    wait_for_hash(page, "view=column")
    page.locator("#area").select_option("MOp")
    page.go_back()
    until(page, "isocortex.app.state.get('picked') === ''")
    assert value(page, "view") == "column"
    page.go_back()
    until(page, "isocortex.app.state.get('view') === 'cortex'")
    back = page.evaluate("isocortex.app.stage.camera.position.toArray()")
    assert back == pytest.approx(place, abs=1e-3) and value(page, "t") == 20
    page.go_forward()
    until(page, "isocortex.app.state.get('view') === 'column'")


def test_a_late_write_of_the_address_does_not_undo_the_way_back(look):
    """The address follows the view by a timer, which may fire at any moment after Back."""
    page = look("t=20")
    page.keyboard.press("2")
    wait_for_hash(page, "view=column")
    write = "() => isocortex.app.state.write('replaceState')"
    page.evaluate(f"addEventListener('popstate', {write}, {{once: true}})")
    page.go_back()
    until(page, "isocortex.app.state.get('view') === 'cortex'")


def test_links_hold_population_and_node_and_bring_back_the_camera(look, session):
    page = look("view=neuron")
    until(page, "isocortex.app.neuronView.branches")
    node = session.scene.node_id[value(page, "neuron")]
    page.keyboard.press("+")
    words = wait_for_hash(page, f"neuron=cortex\\+{node}&camera")
    place = page.evaluate("isocortex.app.stage.camera.position.toArray()")
    again = look(words.removeprefix("#"))
    until(again, "isocortex.app.neuronView.branches")
    assert session.scene.node_id[value(again, "neuron")] == node
    back = again.evaluate("isocortex.app.stage.camera.position.toArray()")
    assert back == pytest.approx(place, abs=1e-3)


def test_another_theme_reaches_stage_legend_and_plots_at_once(look):
    page = look("colour=rate")
    ramp = page.locator("#legend .ramp i").get_attribute("data-css")
    page.locator("#theme").click()
    settle(page)
    assert picture(page).mean() > 200
    light = page.locator("#legend .ramp i").get_attribute("data-css")
    assert light != ramp
    axes = "isocortex.app.detail.rate.plot.axes[0].stroke()"
    assert page.evaluate(axes) == page.evaluate(
        "getComputedStyle(document.documentElement).getPropertyValue('--faint').trim()"
    )
    fresh = look("colour=rate&theme=light")
    assert fresh.locator("#legend .ramp i").get_attribute("data-css") == light
    assert np.abs(picture(fresh) - picture(page)).mean() < 0.5


def test_what_the_tooltip_says_is_what_lies_under_the_pointer(look):
    page = look("t=0")
    box = page.locator("#canvas").bounding_box()
    x, y = box["width"] / 2, box["height"] / 2
    page.mouse.move(box["x"] + x, box["y"] + y)
    until(page, "!document.querySelector('#tip').hidden")
    before = page.locator("#tip").inner_text()
    for _ in range(5):
        page.keyboard.press("d")
    settle(page)
    now = page.evaluate(f"isocortex.app.stage.view.pick({x}, {y})")
    name = page.evaluate(f"isocortex.app.population.name({now})") if now >= 0 else ""
    until(page, f"document.querySelector('#tip').textContent.startsWith({name!r})")
    assert page.locator("#tip").is_hidden() or page.locator("#tip").inner_text() != before


def test_a_run_without_spikes_waits_for_none_and_is_as_long_as_it_was(browser, session, tmp_path):
    config = session.config
    write_run(tmp_path / "output", config, [], [], len(session.scene), duration=0.4)
    silent = open_session(tmp_path / "output")
    assert silent.duration == 0.4
    with served(ViewServer(silent)) as server:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(server.url)
        page.wait_for_selector("body[data-ready=true][data-spikes=all]", timeout=60000)
        assert page.locator("#live").get_attribute("data-waiting") == ""
        assert page.locator("#time").inner_text() == "0.0 / 0.4 ms"
        empty, buttons = page.locator("#many .empty"), page.locator("#many > .actions")
        empty, buttons = empty.bounding_box(), buttons.bounding_box()
        assert empty["height"] > 20 and empty["y"] + empty["height"] <= buttons["y"]
        page.close()


def test_a_soma_that_was_recorded_is_not_called_unrecorded(look, session):
    page = look("view=neuron&neuron=cortex+0")
    until(page, "document.querySelector('#one .chart canvas')")
    until(page, "document.querySelector('#key').textContent.includes('Recorded')")
    assert "No recording" not in page.locator("#key").inner_text()


@pytest.mark.parametrize(("width", "height"), [(800, 600), (600, 900), (390, 844)])
def test_narrow_windows_show_the_whole_cortex_and_every_control(look, width, height):
    page = look("t=0")
    resize(page, width, height)
    there = drawn(picture(page))
    for edge in (there[:, :3], there[:, -3:], there[:3], there[-3:]):
        assert not edge.any()
    assert there.shape[1] == width and np.ptp(np.flatnonzero(there.any(axis=0))) > 0.5 * width
    for part in (
        "header button:visible",
        "#transport button",
        "#transport select",
        "#raster .plot",
    ):
        for box in page.locator(part).all():
            place = box.bounding_box()
            assert place["x"] >= 0 and place["x"] + place["width"] <= width + 0.5
    assert page.locator("#legend").is_hidden()
    page.get_by_role("button", name="Colours").click()
    page.locator('#legend button[data-pick="VISp"]').click()
    page.get_by_role("button", name="Numbers").click()
    assert page.locator("#legend").is_hidden()
    until(page, "document.querySelector('#many h2').textContent === 'VISp'")


def test_near_neurons_leave_room_to_see_between_them(look):
    page = look("t=0&outline=false")
    home = drawn(picture(page)).mean()
    page.evaluate("isocortex.app.stage.controls.target.copy(isocortex.app.cloud.worldOf(5))")
    for nearer in (6, 6):
        page.evaluate(f"isocortex.app.stage.orbit(0, 0, {nearer})")
        settle(page)
        assert 0.003 < drawn(picture(page)).mean() < home + 0.2


def test_only_covers_no_name(look):
    page = look()
    row = page.locator("#legend li", has=page.locator('[data-pick="SSp-bfd"]'))
    row.hover()
    name, only = (row.locator(part).bounding_box() for part in (".name", ".only"))
    assert name["x"] + name["width"] <= only["x"] + 0.5
    assert page.evaluate(
        """(() => { const name = document.querySelector('[data-pick="SSp-bfd"]');
        return name.scrollWidth <= name.clientWidth; })()"""
    )


def test_branches_of_a_column_stay_between_pia_and_white_matter(look):
    page = look("view=column&picked=VISp")
    until(page, "isocortex.app.column.branches")
    low, high, depth = page.evaluate(
        """(() => { const { branches, depth } = isocortex.app.column;
        const { begin, end } = branches.mesh.geometry.attributes;
        const y = [...begin.array, ...end.array].filter((_, k) => k % 3 === 1);
        const [least, most] = [Math.min, Math.max].map((of) => y.reduce((a, b) => of(a, b)));
        return [least, most, depth]; })()"""
    )
    assert -depth - 1e-6 <= low < -0.9 * depth and -0.1 < high <= 1e-6


def test_what_is_shown_is_exported_as_a_node_set(look, session):
    page = look("picked=VISp&hide.layer=L1~L2/3~L5~L6a~L6b&hide.hemisphere=left")
    page.get_by_role("button", name="As a node set").click()
    text = page.locator("#nodes pre").inner_text()
    assert json.loads(text) == {
        "VISp_L4_right": {
            "population": "cortex", "area": "VISp", "layer": "L4", "hemisphere": "right",
        }
    }  # fmt: skip
    column = session.scene.column_of
    mine = (
        (column("area") == "VISp") & (column("layer") == "L4") & (column("hemisphere") == "right")
    )
    assert f"{mine.sum():,} neurons" in page.locator("#nodes h2").inner_text()
    circuit = replace(session.simulation.circuit, node_sets=json.loads(text))
    ((population, rows),) = circuit.select("VISp_L4_right", "node_set")
    assert population == "cortex" and set(rows) == set(session.scene.row[mine])
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save", exact=True).click()
    assert json.loads(Path(saved.value.path()).read_text()) == json.loads(text)


def test_a_node_set_is_named_after_what_it_leaves_out_and_several_populations_are_told_by_id(look):
    page = look()
    told = """(away) => { const { nodeSet, nodeSetText, app } = isocortex;
        const { population } = app;
        const first = nodeSet(population, { layer: away }, "VISp");
        const real = population.facets[1].exact;
        population.facets[1].exact = false;
        const ids = nodeSet(population, { layer: away }, "VISp");
        population.facets[1].exact = real;
        return [JSON.parse(nodeSetText(first)), JSON.parse(nodeSetText(ids)), ids.count]; }"""
    query, ids, count = page.evaluate(told, ["L1", "L2/3"])
    name = "VISp_without_L1_L2_3"
    assert query == {
        name: {"population": "cortex", "area": "VISp", "layer": ["L4", "L5", "L6a", "L6b"]}
    }
    assert set(ids[name]) == {"population", "node_id"} and len(ids[name]["node_id"]) == count
    assert ids[name]["node_id"] == sorted(ids[name]["node_id"])


def test_a_page_of_a_circuit_takes_up_the_run_when_it_begins(browser, session, tmp_path):
    for name in ("simulation_config.json", "circuit_config.json", "node_sets.json", "network"):
        (tmp_path / name).symlink_to(session.config.parent / name)
    (tmp_path / "synaptic_models").symlink_to(session.config.parent / "synaptic_models")
    config = tmp_path / "simulation_config.json"
    with served(ViewServer(open_session(tmp_path))) as server:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{server.url}#picked=VISp")
        page.wait_for_selector("body[data-ready=true]", timeout=60000)
        assert page.locator("#facts").inner_text() == f"{len(session.scene)} neurons"
        write_run(tmp_path / "output", config, [3, 4], [1.0, 2.0], len(session.scene))
        page.wait_for_selector("#facts:has-text('2 spikes')", timeout=60000)
        assert value(page, "picked") == "VISp"
        page.close()


def test_of_many_neurons_the_first_are_shown_at_once_and_the_others_follow(
    browser, session, monkeypatch
):
    monkeypatch.setattr(scene, "FIRST", 100)
    monkeypatch.setattr(scene, "MORE", 300)
    parts = Session(session.result)
    last = int(parts.scene.node_id[-1])  # which a link may hold
    with served(ViewServer(parts)) as server:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        held = []  # until they are let go
        page.route("**/somas/*", lambda route: held.append(route))
        page.goto(f"{server.url}#t=0&neuron=cortex+{last}&camera=&view=cortex")
        page.wait_for_selector("body[data-ready=true]", timeout=60000)
        settle(page)
        assert page.locator("#live").get_attribute("data-waiting") == "reading neurons: 11 %"
        assert page.locator("#facts").inner_text().startswith("900 neurons")
        assert page.evaluate("isocortex.app.population.n") == 100 and value(page, "neuron") == -1
        few = drawn(picture(page)).mean()
        for k in range(3):
            until_held(page, held, k + 1)
            held[k].continue_()
        until(page, "isocortex.app.population.n === 900")
        until(page, f"isocortex.app.state.get('neuron') === {len(parts.scene) - 1}")
        assert page.locator("#one h2").inner_text() == f"cortex {last}"
        page.wait_for_selector("body[data-spikes=all]", timeout=60000)
        settle(page)
        assert few > 0.05 and drawn(picture(page)).mean() > 0.1
        spikes = session.feed.all()
        assert (
            page.evaluate("[...isocortex.app.counts()]")
            == np.bincount(spikes.neuron, minlength=900).tolist()
        )
        page.locator("#cut summary").click()
        page.locator("#cut [data-key=peel]").fill("3")
        deep = np.isin(parts.scene.column_of("layer"), ["L5", "L6a", "L6b"])
        until(page, "isocortex.app.cloud.strata === 900")
        every = "Array.from({ length: 900 }, (_, i) => isocortex.app.cloud.leaves(i))"
        assert page.evaluate(every) == deep.tolist()
        page.close()


def until_held(page, held, count):
    """Wait until so many requests were held up."""
    for _ in range(600):
        if len(held) >= count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never asked for {count} parts")


def test_a_column_of_another_area_that_comes_late_does_not_take_the_place_of_the_last(look):
    page = look("view=column&picked=VISp&t=0")
    until(page, "isocortex.app.column.members?.length")
    held = []
    page.route("**/slab/*", lambda route: held.append(route))
    page.locator("#area").select_option("MOp")
    page.locator("#area").select_option("MOs")
    until_held(page, held, 2)
    held[1].continue_()
    until(page, "isocortex.app.column.slabs.size === 2")
    shown = page.evaluate("[...isocortex.app.column.members]")
    held[0].continue_()
    until(page, "isocortex.app.column.slabs.size === 3")
    assert page.evaluate("[...isocortex.app.column.members]") == shown
    area = page.evaluate(
        "isocortex.app.column.members.map((i) => isocortex.app.population.value(i, 0).name)"
    )
    assert set(area) == {"MOs"}
    page.unroute("**/slab/*")


def test_a_few_cells_open_with_their_branches_before_they_were_run(browser, tmp_path):
    config = write_library_circuit(
        tmp_path, cells=5, drive=1, edges=[(0, 0, 3)], inputs={"noise": poisson(20.0)}
    )
    with served(ViewServer(open_session(config))) as server:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(server.url)
        page.wait_for_selector("body[data-ready=true]", timeout=60000)
        until(page, "isocortex.app.column.branches && isocortex.app.column.grown.length === 5")
        assert page.locator("body").get_attribute("data-view") == "column"
        assert page.locator("#live").get_attribute("data-waiting") == "not run yet"
        assert "not run yet" in page.locator("#many").inner_text()
        page.keyboard.press("1")
        wait_for_hash(page, "view=cortex")  # which is not how this page opens
        page.close()


def test_scrubbing_goes_to_the_time_under_the_pointer(look, session):
    page = look()
    box = page.locator("#raster .plot").bounding_box()
    gutter = 74
    page.mouse.click(box["x"] + gutter + 0.5 * (box["width"] - gutter), box["y"] + 30)
    assert value(page, "t") == pytest.approx(session.duration / 2, abs=1.0)
    page.mouse.move(box["x"] + gutter + 0.25 * (box["width"] - gutter), box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + gutter + 0.75 * (box["width"] - gutter), box["y"] + 30, steps=4)
    page.mouse.up()
    assert value(page, "t") == pytest.approx(0.75 * session.duration, abs=1.0)
    until(page, "document.querySelector('#time').textContent.startsWith('90.')")


def test_an_area_is_picked_and_its_numbers_are_right(look, session):
    page = look()
    page.locator('#legend button[data-pick="VISp"]').click()
    until(page, "document.querySelector('#many h2').textContent === 'VISp'")
    mine = session.scene.column_of("area") == "VISp"
    spikes = np.isin(session.feed.all().neuron, np.flatnonzero(mine)).sum()
    facts = page.locator("#many dl").inner_text().split("\n")
    assert f"{mine.sum():,}" in facts
    assert f"{1000 * spikes / mine.sum() / session.duration:.2f} Hz" in facts
    wait_for_hash(page, "picked=VISp")


def test_a_click_selects_the_neuron_that_hovering_names(look, session):
    page = look()
    number = page.evaluate(
        """() => { const { stage, cloud, population } = isocortex.app;
        for (let i = 0; i < population.n; i++) {
          const [x, y] = stage.project(cloud.worldOf(i));
          if (stage.view.pick(x, y) === i && x > 60 && y > 60) return [i, x, y];
        } }"""
    )
    i, x, y = number
    box = page.locator("#canvas").bounding_box()
    until(page, "isocortex.app.models")
    page.mouse.move(box["x"] + x, box["y"] + y)
    name = f"cortex {session.scene.node_id[i]}"
    until(page, f"document.querySelector('#tip').textContent.includes('{name}')")
    tip = page.locator("#tip").inner_text()
    for column in ("area", "layer", "cell_class", "hemisphere"):
        assert str(session.scene.column_of(column)[i]) in tip
    assert str(session.scene.column_of("model_template")[i]).removeprefix("isocortex:") in tip
    rate = 1000 * np.count_nonzero(session.feed.all().neuron == i) / session.duration
    assert f"{rate:.1f} Hz" in tip
    page.mouse.click(box["x"] + x, box["y"] + y)
    assert value(page, "neuron") == i
    assert page.locator("#one h2").inner_text() == name


def test_a_column_shows_layers_and_branches(look):
    page = look("view=column&picked=VISp&t=0&colour=layer")
    until(page, "isocortex.app.column.branches !== undefined")
    settle(page)
    labels = page.locator("#labels .layer b").all_inner_texts()
    assert labels == ["L1", "L2/3", "L4", "L5", "L6a", "L6b"]
    assert 0.02 < drawn(picture(page)).mean() < 0.5
    assert "with branches" in page.locator("#presets").inner_text()


def test_a_neuron_is_coloured_by_its_voltage_and_shows_its_synapses(look, session):
    counts = np.bincount(session.feed.all().neuron, minlength=len(session.scene))
    number = max(session.whole, key=lambda i: counts[i])
    assert counts[number] > 0
    trace = session.result.voltage(int(session.scene.node_id[number]), "cortex")
    peak = float(trace["time"][int(trace.values.argmax())])
    page = look(f"view=neuron&neuron=cortex+{session.scene.node_id[number]}&t={peak}")
    until(page, "isocortex.app.neuronView.quiet")
    settle(page)
    shown = page.evaluate("isocortex.app.neuronView.shown.values[0]")
    assert shown == pytest.approx(float(trace.values.max()), abs=2.0)
    loud = picture(page)
    page.keyboard.press("Home")
    settle(page)
    quiet = picture(page)
    assert loud[drawn(loud)].mean() > 1.2 * quiet[drawn(quiet)].mean()
    assert "excitatory" in page.locator("#key").inner_text()
    assert page.locator("#one .chart canvas").count() == 2  # voltage, and events


def test_the_address_brings_back_the_view(look):
    page = look("t=30&colour=layer&hide.area=VISp~MOp&picked=ACAd&theme=light&from=10&to=60")
    page.keyboard.press("ArrowRight")
    words = wait_for_hash(page, "t=31\\b")
    state = page.evaluate("isocortex.app.state.values")
    again = look(words.removeprefix("#"))
    assert again.evaluate("isocortex.app.state.values") == state
    assert state["t"] == 31 and state["hidden"] == {"area": ["VISp", "MOp"]}
    assert picture(again).mean() > 200  # light


def test_the_export_opens_from_the_disk_and_asks_nobody(browser, session, tmp_path):
    path = write_page(session, tmp_path / "page.html")
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    asked, complaints = [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{path.as_uri()}#view=neuron&t=40")
    page.wait_for_selector("body[data-ready=true][data-spikes=all]", timeout=60000)
    until(page, "isocortex.app.neuronView.quiet")
    settle(page)
    assert drawn(picture(page)).mean() > 0.003
    page.keyboard.press("1")
    settle(page)
    assert drawn(picture(page)).mean() > 0.1
    page.close()
    assert complaints == [] and all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def test_without_webgl_words_and_pictures_remain(browser, server):
    page = browser.new_page()
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); }"
    )
    page.goto(server.url)
    page.wait_for_selector("body[data-ready=failed]")
    assert "WebGL" in page.locator("#notice").inner_text()
    assert "--figure" in page.locator("#notice").inner_text()
    page.close()
