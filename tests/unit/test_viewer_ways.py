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
      look(); isocortex.app.go('neuron'); })"""  # fmt: skip
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
    assert shown == pytest.approx(truth, abs=float(np.ptp(report.values)) / 65000)
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
    find(f"{x:.1f}, {y:.1f}, {z:.1f}")
    assert value(page, "neuron") == number
    find(f"cortex {session.scene.node_id[5]}")
    assert value(page, "neuron") == 5
    find("nowhere")
    message = page.evaluate("document.querySelector('#find input').validationMessage")
    assert message == "There is no neuron of that id, and no area of that name"
    assert value(page, "neuron") == 5 and value(page, "picked") == "MOp"
