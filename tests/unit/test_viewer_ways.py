"""The page in a browser: flights, a probe on a branch, what is found by name and place."""

import numpy as np
import pytest
import viewer_page
from viewer_page import settle, until, value, wait_for_hash

#: pytest finds fixtures by their names in a module.
browser, session = viewer_page.browser, viewer_page.session
server, look = viewer_page.server, viewer_page.look


def where(page):
    return page.evaluate("isocortex.app.stage.camera.position.toArray()")


def test_one_flies_into_a_neuron_and_back_out_to_where_one_was(look, session):
    page = look(f"neuron=cortex+{session.scene.node_id[session.whole[0]]}")
    page.keyboard.press("d")
    settle(page)
    page.emulate_media(reduced_motion="no-preference")
    start = where(page)
    soma = page.evaluate(f"isocortex.app.cloud.worldOf({session.whole[0]}).toArray()")
    nearest = """new Promise((done) => { const { stage } = isocortex.app; let least = Infinity;
      const look = () => { if (stage.name !== 'cortex') return done(least);
        const away = stage.camera.position.toArray().map((x, k) => x - soma[k]);
        least = Math.min(least, Math.hypot(...away));
        requestAnimationFrame(look); };
      look(); isocortex.app.go('neuron');
      setTimeout(() => isocortex.app.go('neuron'), 100); })"""  # fmt: skip
    least = page.evaluate(f"(soma) => {nearest}", soma)
    assert 1.19 < least < 2.0  # mm
    until(page, "isocortex.app.neuronView.branches")
    assert "camera" not in wait_for_hash(page, "view=neuron")
    page.go_back()
    until(page, "isocortex.app.stage.name === 'cortex'")
    assert np.linalg.norm(np.subtract(where(page), soma)) < np.linalg.norm(np.subtract(start, soma))
    until(page, "!isocortex.app.stage.flight")
    assert where(page) == pytest.approx(start, abs=1e-6)
    settle(page)
    page.evaluate("for (const side of ['top', 'side']) isocortex.app.stage.home(side)")
    until(page, "!isocortex.app.stage.flight")  # the second goes where it should, at once
    there = [float(x) for x in value(page, "camera").split("_")]
    assert where(page) == pytest.approx(there[:3], abs=1e-6)
    page.get_by_role("button", name="Top", exact=True).click()
    assert page.evaluate("Boolean(isocortex.app.stage.flight)")
    page.locator("#canvas").hover()
    page.mouse.down()  # whoever takes hold of it ends the flight
    assert not page.evaluate("Boolean(isocortex.app.stage.flight)")
    page.mouse.up()


def test_a_probe_tells_what_was_recorded_where_it_sits(look, session):
    number = session.whole[0]
    node = session.scene.node_id[number]
    page = look(f"view=neuron&neuron=cortex+{node}")
    until(page, "isocortex.app.neuronView.branches")
    settle(page)
    page.locator("#one .plots", has_text="Click a branch").wait_for()
    compartment, x, y = page.evaluate(
        """() => { const view = isocortex.app.neuronView;
        const { kind } = view.data.arrays;
        for (let k = kind.length - 1; k > 0; k--) {
          const [[a, b], [c, d]] = view.ends(k);
          const [x, y] = [0.9 * c + 0.1 * a, 0.9 * d + 0.1 * b];
          const mine = kind[k] === 3 && view.nearest(x, y) === k;
          if (mine && Math.hypot(a - c, b - d) > 30) return [k, x, y];
        } }"""
    )  # fmt: skip
    box = page.locator("#canvas").bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + y)
    assert value(page, "probe") == compartment
    until(page, "isocortex.app.detail.traces[0]?.plot.data.length === 3")
    shown = page.evaluate("[...isocortex.app.detail.traces[0].plot.data[2]]")
    report = session.result.report("membrane_potential", "cortex")
    truth = report.values[:, report["node_id"].values == node][:, compartment]
    assert shown == pytest.approx(truth, abs=0.0101)  # mV, half a step
    soma = page.evaluate("[...isocortex.app.detail.traces[0].plot.data[1]]")
    assert np.abs(truth - soma).max() > 1  # mV: it is not that of the soma
    assert "probe: basal dendrite" in page.locator("#one .plots").inner_text()
    words = "isocortex.photo(isocortex.app, { size: 'screen' }).then((blob) => blob.text())"
    assert "probe: basal dendrite" in page.evaluate(words)
    ring = page.locator("#labels .ring").bounding_box()
    assert abs(ring["x"] + ring["width"] / 2 - box["x"] - x) < 40
    again = look(wait_for_hash(page, "probe=").removeprefix("#"))
    until(again, "isocortex.app.detail.traces[0]?.plot.data.length === 3")
    assert value(again, "probe") == compartment
    again.keyboard.press("Escape")
    until(again, "isocortex.app.detail.traces[0]?.plot.data.length === 2")
    again.evaluate(f"isocortex.app.state.set({{ probe: {compartment} }})")
    again.evaluate(f"isocortex.app.state.set({{ neuron: {session.whole[1]} }})")
    assert value(again, "probe") == -1  # it was in another
    assert "probe" not in again.evaluate(words)


def test_a_probe_sits_on_the_surface_too_and_only_where_all_was_recorded(look, session):
    page = look(f"view=neuron&neuron=cortex+{session.scene.node_id[session.whole[0]]}")
    until(page, "isocortex.app.neuronView.branches")
    radius, kinds = page.evaluate(
        """() => { const { stage, neuronView: view } = isocortex.app;
        stage.camera.position.set(0, 0, 0.1);
        stage.controls.target.set(0, 0, 0);
        stage.controls.update();
        stage.planes();
        const { kind, radius } = view.data.arrays;
        const pixels = radius[0] / 1000 / stage.pixel();
        const [[a, b], [c, d]] = view.ends(0);
        const around = Array.from({ length: 12 }, (_, k) => (2 * Math.PI * k) / 12);
        return [pixels, around.map((angle) => kind[view.nearest(
          (a + c) / 2 + 0.7 * pixels * Math.cos(angle),
          (b + d) / 2 + 0.7 * pixels * Math.sin(angle))])]; }"""
    )  # fmt: skip
    assert radius > 30  # px
    assert None not in kinds and kinds.count(1) >= 6  # of twelve; branches lie over the others
    other = next(n for n in range(len(session.scene)) if n not in session.recorded)
    page = look(f"view=neuron&neuron=cortex+{session.scene.node_id[other]}&probe=1")
    until(page, "isocortex.app.neuronView.branches")
    settle(page)
    assert page.locator("#labels .ring").is_hidden()
    page.evaluate("isocortex.app.neuronView.press(...isocortex.app.neuronView.ends(2)[0])")
    assert value(page, "probe") == 1  # of the address: nothing was put anywhere


def test_neurons_and_areas_are_found_by_id_name_and_place(look, session):
    page = look()

    def find(text):
        page.locator("#find input").fill(text)
        page.locator("#find input").press("Enter")

    find("primary visual")
    assert value(page, "picked") == "VISp"
    find("mop")
    assert value(page, "picked") == "MOp"
    number = len(session.scene) // 2
    x, y, z = session.scene.position[number] + 0.2
    find(f"{x:.1f}, {y:.1f}, {z:.1f} µm")
    assert value(page, "neuron") == number
    find(f"cortex {session.scene.node_id[5]}")
    assert value(page, "neuron") == 5
    find("nowhere")
    message = page.evaluate("document.querySelector('#find input').validationMessage")
    assert message == "There is no neuron of that id, and no area of that name"
    column = session.scene.column_of
    assert value(page, "neuron") == 5 and value(page, "picked") == column("area")[5]
    assert value(page, "side") == column("hemisphere")[5]  # so that its column is that of its side


def test_whom_one_finds_comes_into_the_picture(look, session):
    page = look()
    number = session.recorded[0]
    seen = f"""(() => {{ const {{ stage, cloud }} = isocortex.app;
        const [x, y, before] = stage.project(cloud.worldOf({number}));
        return before && x > 0 && x < stage.width && y > 0 && y < stage.height; }})()"""
    away = """(number) => { const { stage, cloud } = isocortex.app;
        const { eye, target } = stage.pose();
        const near = eye.clone().sub(target).setLength(0.5);
        target.copy(cloud.worldOf(number));
        stage.put({ target, eye: target.clone().add(near) }); stage.keep(); }"""
    far = page.evaluate(
        """(mine) => { const { cloud } = isocortex.app; const here = cloud.worldOf(mine);
        const away = Array.from({ length: cloud.n }, (_, i) => cloud.worldOf(i).distanceTo(here));
        return away.indexOf(Math.max(...away)); }""", number
    )  # fmt: skip
    for text in (f"cortex {session.scene.node_id[number]}", "primary visual"):
        page.evaluate(away, far)
        settle(page)
        assert not page.evaluate(seen)
        page.locator("#find input").fill(text)
        page.locator("#find input").press("Enter")
        settle(page)
        around = "isocortex.app.stage.pose().target.distanceTo(isocortex.app.cloud.worldOf({}))"
        nearest = page.evaluate(
            """() => { const { app } = isocortex; const { target } = app.stage.pose();
            const all = [...app.selected().keys()].filter((i) => app.selected()[i]);
            return Math.min(...all.map((i) => app.cloud.worldOf(i).distanceTo(target))); }"""
        )
        assert nearest < 1e-3
        if text.startswith("cortex"):
            assert page.evaluate(seen) and page.evaluate(around.format(number)) < 1e-3


def test_the_wheel_approaches_what_lies_under_the_pointer(look):
    page = look("t=0")
    number, x, y = page.evaluate(
        """() => { const { stage, cloud, cortex } = isocortex.app;
        const eye = stage.camera.position;
        let best = [-1, 0, 0, Infinity];
        for (let x = 100; x < stage.width - 100; x += 20)
          for (let y = 60; y < stage.height - 60; y += 20) {
            const number = cortex.pick(x, y);
            if (number < 0) continue;
            const away = cloud.worldOf(number).distanceTo(eye);
            if (away < best[3]) best = [number, x, y, away];
          }
        return best.slice(0, 3); }"""
    )
    place = f"isocortex.app.cloud.worldOf({number})"
    away = f"{place}.distanceTo(isocortex.app.stage.camera.position)"
    before = page.evaluate(away)
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    for _ in range(25):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(20)
    settle(page)
    assert page.evaluate(away) < 0.2 * before
    x, y, before = page.evaluate(f"isocortex.app.stage.project({place})")
    assert before and 0 < x < box["width"] and 0 < y < box["height"]  # one did not fly through it
