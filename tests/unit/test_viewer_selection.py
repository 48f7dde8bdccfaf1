"""The page in a browser: selections by lasso, rate and attributes, as node sets and experiments."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import viewer_page
from hostile_names import NAMES
from matplotlib.path import Path as Loop
from viewer_page import HEIGHT, WIDTH, drawn, picture, settle, until, value
from viewer_run import driven_cells, served

import isocortex as ic
from isocortex.experiment import read_study
from isocortex.viewer.server import ViewServer
from isocortex.viewer.session import Session

#: pytest finds fixtures by their names in a module.
browser, session = viewer_page.browser, viewer_page.session
server, look = viewer_page.server, viewer_page.look

AT = """() => { const { stage, cloud, population } = isocortex.app;
    return Array.from({ length: population.n }, (_, i) => stage.project(cloud.worldOf(i))); }"""


def selected(page):
    return np.array(page.evaluate("[...isocortex.app.selected()]"), bool)


def draw_loop(page, kind, corners):
    """Draw a loop through points of the canvas."""
    if kind is not None:
        page.get_by_role("button", name=kind, exact=True).click()
    box = page.locator("#canvas").bounding_box()
    for k, (x, y) in enumerate([*corners, corners[0]]):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=8)
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    settle(page)


def within(page, corners):
    """Whether every neuron lies in a loop, and whether that is beyond the doubt of a pixel."""
    at = np.array(page.evaluate(AT))[:, :2]
    loop = Loop([*corners, corners[0]], closed=True)
    inside = loop.contains_points(at)
    shifts = [(x, y) for x in (-2, 2) for y in (-2, 2)]
    clear = np.all([loop.contains_points(at + shift) == inside for shift in shifts], axis=0)
    return inside, clear


def test_a_lasso_selects_what_lies_within_it_and_further_loops_refine_it(look):
    page = look("t=0")
    box = page.locator("#canvas").bounding_box()
    middle = (box["width"] / 2, box["height"] / 2)
    first = [(middle[0] + x, middle[1] + y) for x, y in ((-110, -70), (60, -90), (20, 80))]
    eye = page.evaluate("isocortex.app.stage.camera.position.toArray()")
    page.keyboard.press("l")
    draw_loop(page, None, first)
    assert page.evaluate("isocortex.app.stage.camera.position.toArray()") == eye
    one = selected(page)
    inside, clear = within(page, first)
    assert (one == inside)[clear].all() and 20 < one.sum() < len(one) / 2 and clear.mean() > 0.9
    assert page.locator("#many h2").inner_text() == "Selected neurons"
    assert f"{one.sum():,}" in page.locator("#many dl").inner_text()

    page.get_by_role("button", name="Top", exact=True).click()
    settle(page)
    assert (selected(page) == one).all()  # it is a place, and not a picture of one
    half = [(0, 0), (box["width"] / 2, 0), (box["width"] / 2, box["height"]), (0, box["height"])]
    half = [(max(x, 4), max(y, 110)) for x, y in half]
    inside, clear = within(page, half)
    draw_loop(page, "Within", half)
    left = selected(page)
    assert (left == (one & inside))[clear].all() and 0 < left.sum() < one.sum()
    page.go_back()
    until(page, "isocortex.app.state.get('lasso').split('~').length === 1")
    draw_loop(page, "Without", half)
    right = selected(page)
    assert (right == (one & ~inside))[clear].all()
    draw_loop(page, "Add", half)
    assert (selected(page) == (one | inside))[clear].all()
    page.keyboard.press("Escape")
    assert value(page, "lasso") == "" and selected(page).all()


def test_others_step_back_and_the_address_brings_the_selection_back(look, session):
    page = look("t=0&peel=3")
    bright = picture(page).sum()
    box = page.locator("#canvas").bounding_box()
    x, y = box["width"] / 2, box["height"] / 2
    draw_loop(
        page, "Lasso", [(x - 90, y - 90), (x + 90, y - 90), (x + 90, y + 90), (x - 90, y + 90)]
    )
    assert picture(page).sum() < 0.9 * bright
    one = selected(page)
    deep = np.isin(session.scene.column_of("layer"), ["L5", "L6a", "L6b"])
    assert one.any() and not one[~deep].any()  # what was peeled was not in the picture
    words = viewer_page.wait_for_hash(page, "lasso=new")
    again = look(words.removeprefix("#"))
    assert (selected(again) == one).all()
    again.evaluate("isocortex.app.state.set({ peel: 0 })")
    assert (selected(again) == one).all()


def test_a_lasso_from_straight_above_knows_which_way_is_up(look):
    page = look("t=0")
    page.evaluate("isocortex.app.stage.orbit(0.9, -10)")
    settle(page)
    box = page.locator("#canvas").bounding_box()
    x, y = box["width"] / 2, box["height"] / 2
    corners = [(x + 5, y - 120), (x + 120, y - 120), (x + 120, y + 20), (x + 5, y + 20)]
    draw_loop(page, "Lasso", corners)
    inside, clear = within(page, corners)
    assert (selected(page) == inside)[clear].all() and 20 < inside.sum() < len(inside) / 2
    before = np.array(page.evaluate(AT))
    words = viewer_page.wait_for_hash(page, "lasso=new")
    again = look(words.removeprefix("#"))  # which holds the camera too
    assert np.abs(np.array(again.evaluate(AT)) - before)[:, :2].max() < 3


def test_neurons_are_shown_by_rate(look, session):
    page = look("t=0&outline=false")
    whole = drawn(picture(page)).mean()
    page.get_by_label("least rate, Hz").fill("9")
    page.get_by_label("most rate, Hz").fill("30")
    page.keyboard.press("Tab")
    settle(page)
    counts = np.bincount(session.feed.all().neuron, minlength=len(session.scene))
    rates = 1000.0 * counts / session.duration
    mine = (rates >= 9) & (rates <= 30)
    assert 0 < mine.sum() < len(mine) and (selected(page) == mine).all()
    assert drawn(picture(page)).mean() < whole
    assert value(page, "rates") == "9_30"
    name, query = page.evaluate("Object.values(isocortex.app.nodeSet())").copy()[:2]
    assert name == "9_to_30_Hz"
    assert query == {
        "population": "cortex",
        "node_id": sorted(session.scene.node_id[mine].tolist()),
    }
    page.locator(".rates").get_by_role("button", name="show all").click()
    assert selected(page).all()


def test_counts_by_attribute_are_those_of_the_selection(look, session):
    page = look("picked=VISp")
    page.locator(".counts summary").click()
    until(page, "document.querySelectorAll('.counts table').length >= 3")
    cells = "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    told = {row[0]: int(row[-1]) for row in page.locator(".counts tr").evaluate_all(cells)}
    mine = session.scene.column_of("area") == "VISp"
    for column in ("layer", "cell_class", "hemisphere"):
        names, counts = np.unique(session.scene.column_of(column)[mine], return_counts=True)
        assert {name: told[name] for name in names} == dict(zip(names, counts, strict=True))


def saved_study(page, path, change, number=None, whom=None):
    """The file that the dialog saves, at a path, and the command it names."""
    page.get_by_role("button", name="As a node set").click()
    dialog = page.locator("#nodes")
    dialog.get_by_role("tab", name="Experiment").click()
    dialog.locator("[name=change]").select_option(change)
    if whom is not None:
        dialog.locator("[name=whom]").select_option(whom)
    if number is not None:
        dialog.locator("[name=number]").fill(str(number))
    command = dialog.locator(".hint code").last.inner_text()
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save", exact=True).click()
    assert f" {saved.value.suggested_filename}" in command
    assert dialog.locator(".hint").is_visible()  # where the command is still to be read
    saved.value.save_as(path)
    return command


def test_a_selection_becomes_the_target_of_a_study(look, session, tmp_path):
    page = look("picked=VISp&hide.hemisphere=left")
    command = saved_study(page, tmp_path / "mine.toml", "channel", 0.8)
    assert command.startswith("isocortex experiment run VISp_right_channel.toml -o ")
    study = read_study(tmp_path / "mine.toml")
    assert study.scale == 0.0001 and len(study.seeds) > 1 and study.control == "control"
    (piece,) = study.pieces("changed")
    (change,) = piece.sections["isocortex"]["changes"]
    assert change["times"] == {"gbar": 0.8} and change["mechanisms"] == ["NaTs", "NaV"]
    column = session.scene.column_of
    mine = (column("area") == "VISp") & (column("hemisphere") == "right")
    ((population, rows),) = session.simulation.circuit.select(change["node_set"], "here")
    assert population == "cortex" and set(rows) == set(session.scene.row[mine])


def test_no_study_is_saved_with_a_number_that_it_would_refuse(look):
    page = look("picked=VISp")
    page.get_by_role("button", name="As a node set").click()
    dialog = page.locator("#nodes")
    dialog.get_by_role("tab", name="Experiment").click()
    dialog.locator("[name=change]").select_option("lose")
    told = dialog.locator("pre").inner_text()
    for number in ("5", "-1", ""):
        dialog.locator("[name=number]").fill(number)
        dialog.get_by_role("button", name="Save", exact=True).click()
        assert dialog.locator("[data-do=save]").inner_text() == "Save"  # and not "Saved"
        assert dialog.locator("pre").inner_text() == told
    dialog.locator("[name=change]").select_option("current")
    dialog.locator("[name=number]").fill("-0.1")
    assert "amp = -0.1" in dialog.locator("pre").inner_text()


def test_a_study_of_neurons_by_id_is_of_their_animal_alone(look, session, tmp_path):
    page = look("t=0")
    box = page.locator("#canvas").bounding_box()
    x, y = box["width"] / 2, box["height"] / 2
    draw_loop(page, "Lasso", [(x - 60, y - 60), (x + 60, y - 60), (x, y + 60)])
    one = selected(page)
    saved_study(page, tmp_path / "mine.toml", "inhibition", 0, "ids")
    study = read_study(tmp_path / "mine.toml")
    assert study.seeds == (1,)
    assert study.recipe_of(1) == session.simulation.circuit.projections[0].recipe
    (change,) = study.pieces("changed")[0].sections["isocortex"]["changes"]
    assert change["source"] == {"ei": "i"} and change["weight"] == 0.0
    ((_, rows),) = session.simulation.circuit.select(change["target"], "here")
    assert set(rows) == set(session.scene.row[one])


def test_a_lasso_is_a_place_in_every_animal(look, session, tmp_path):
    page = look("t=0&hide.layer=L1")
    box = page.locator("#canvas").bounding_box()
    x, y = box["width"] / 2, box["height"] / 2
    corners = [(-90, -90), (90, -90), (90, 90), (-90, 90)]
    draw_loop(page, "Lasso", [(x + a, y + b) for a, b in corners])
    one = selected(page)
    saved_study(page, tmp_path / "mine.toml", "lesion")
    told = page.locator("#nodes .note").text_content()
    study = read_study(tmp_path / "mine.toml")
    assert len(study.seeds) > 1
    (change,) = study.pieces("changed")[0].sections["isocortex"]["changes"]
    assert "L1" not in change["node_set"]["layer"]
    ((_, rows),) = session.simulation.circuit.select(change["node_set"], "here")
    both = np.isin(session.scene.row[one], rows).sum()
    assert f"here {len(rows):,} neurons, among them {both:,} of the {one.sum():,} selected" in told
    assert both > 0.8 * one.sum() and both > 0.5 * len(rows)


def test_of_another_circuit_a_script_runs_it_changed(browser, tmp_path, monkeypatch):
    result = driven_cells(tmp_path)
    whole = Session(result)
    with served(ViewServer(whole)) as server:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{server.url}#view=cortex")
        page.wait_for_selector("body[data-ready=true][data-spikes=all]", timeout=60000)
        command = saved_study(page, tmp_path / "cut.py", "lesion")
        page.close()
    assert command == "python selection_lesion.py"
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / "cut.py").read_text().replace("start=500", "start=20")
    exec(compile(text, "cut.py", "exec"), {})
    changed = ic.Result(tmp_path / "selection_lesion").spikes["timestamps"].to_numpy()
    was = result.spikes["timestamps"].to_numpy()
    assert (changed[changed < 20] == was[was < 20]).all() and changed.tolist() != was.tolist()


def test_names_are_text_in_files_too(look):
    page = look("t=0")
    told = """(names) => names.map((name) => {
        const head = { recipe: { seed: 3, scale: 0.1, [name]: name }, duration: 10 };
        const query = { population: name, [name]: [name, "other"] };
        return isocortex.study(head, { name: "x", query }, "lesion", null).text; })"""
    for name, text in zip(NAMES, page.evaluate(told, NAMES), strict=True):
        read = tomllib.loads(text)
        (change,) = read["arms"][1]["changes"]
        assert change["lesion"]["node_set"] == {"population": name, name: [name, "other"]}
        assert read["recipe"] == {name: name}


def test_a_node_set_of_a_lasso_holds_in_the_circuit(look, session, tmp_path):
    page = look("t=0&lasso=new_0_40_0_0_0_-0.001_-1_0_0_0_-0.2_-0.2_0_-0.2_0_0.2_-0.2_0.2")
    one = selected(page)
    page.get_by_role("button", name="As a node set").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save", exact=True).click()
    sets = json.loads(Path(saved.value.path()).read_text())
    circuit = replace(session.simulation.circuit, node_sets=sets)
    ((_, rows),) = circuit.select("lasso", "here")
    assert set(rows) == set(session.scene.row[one]) and 0 < len(rows) < len(one)
    assert look("lasso=new_1_2~other_a_b&t=0").evaluate("isocortex.app.lassoed()") is None
