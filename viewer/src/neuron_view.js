// One neuron: branches in the colours of what was recorded, synapses that light up as events arrive.

import * as THREE from "three";
import { Branches, Dots } from "./branches.js";
import { html, put } from "./markup.js";
import { css } from "./palettes.js";
import { quantity, title } from "./quantities.js";
import { valuesAt } from "./recorded.js";
import { fetchPacked } from "./source.js";
import { lowerBound } from "./spikes.js";

const KINDS = { 1: "soma", 2: "axon", 3: "basal dendrite", 4: "apical dendrite" };
const KIND_COLOURS = { 1: "#d8d8d8", 2: "#7d8590", 3: "#6a9d8c", 4: "#a587b8" }; // none that synapses have
const EXCITES = [255, 184, 92];
const INHIBITS = [92, 196, 255];
const NEAR = 12; // px, from the pointer to the surface of a branch

/** Whether there is a recording of all compartments, so that a probe has something to tell. */
export const recordedWhole = (data) => Boolean(data?.head.reports.some(({ whole }) => whole));

/** Where in the neuron a compartment is, in words. */
export const placeOf = ({ arrays: { kind, distance } }, k) => `${KINDS[kind[k]] ?? "branch"}, ${Math.round(distance[k])} µm from the soma`;

export class NeuronView {
  constructor(stage, app) {
    this.stage = stage;
    this.app = app;
    this.scene = new THREE.Scene();
    this.centre = new THREE.Vector3();
    this.radius = 0.3;
    this.ring = document.createElement("div");
    this.ring.className = "ring";
    app.state.on(["neuron"], () => this.active && (this.ready = this.load()));
    app.state.on(["variable", "theme"], () => this.active && this.rebuild());
    app.state.on(["probe"], () => (this.stage.stale = true));
  }

  enter() {
    this.active = true;
    this.box = document.getElementById("labels");
    const { state, population, filled } = this.app;
    if (state.get("neuron") < 0 && population.recorded.length)
      filled.then(() => this.active && state.get("neuron") < 0 && state.set({ neuron: this.app.liveliest() }, { step: false }));
    else this.ready = this.load();
    this.controls();
  }

  leave() {
    this.active = false;
    this.box.replaceChildren();
    document.getElementById("presets").replaceChildren();
    document.getElementById("key").replaceChildren();
    this.app.notice("");
  }

  extent() {
    return this.radius;
  }

  /** All of it, above what its colours mean. */
  home() {
    const { x, y, z } = this.size ?? { x: 0.5, y: 0.5, z: 0 };
    const tall = y / (1 - Math.min(document.getElementById("key").offsetHeight / this.stage.height, 0.4));
    const target = this.centre.clone();
    target.y -= (tall - y) / 2;
    this.stage.lookAt(target, new THREE.Vector3(0, 0, 1), [[x / 2, tall / 2, z / 2]]);
  }

  controls() {
    const { population, state } = this.app;
    const box = document.getElementById("presets");
    const number = state.get("neuron");
    const numbers = [...new Set([...(number >= 0 ? [number] : []), ...population.recorded])];
    const describe = (i) => `${population.name(i)} · ${population.facets.slice(0, 3).map((_, f) => population.value(i, f).name).join(" ")}${population.whole.includes(i) ? "" : population.recorded.includes(i) ? " (soma alone)" : " (not recorded)"}`;
    put(box, numbers.length ? html`<select id="which" aria-label="Neuron">${numbers.map((i) => html`<option value="${i}" ${i === number ? "selected" : ""}>${describe(i)}</option>`)}</select>` : "");
    box.querySelector("#which")?.addEventListener("change", (e) => state.set({ neuron: +e.target.value }));
  }

  async load() {
    const number = this.app.state.get("neuron");
    this.clear();
    if (number !== this.number) delete this.stage.cameras.neuron; // it was of another
    this.number = number;
    this.data = this.synapses = null;
    this.controls();
    this.stage.stale = true;
    if (number < 0) {
      const record = this.app.spikes.awaits ? "" : "; or let the simulation record some: a membrane_report of v with sections all";
      this.app.notice(`No neuron is chosen. Click one in the cortex or in a column, or find it by its id${record}.`);
      return;
    }
    this.app.notice("Reading the neuron …");
    const data = await this.app.neuron(number);
    if (this.app.state.get("neuron") !== number || !this.active) return;
    this.data = data;
    if (!data?.arrays.start) {
      const why = data === null ? "This page does not contain it: only recorded neurons are exported." : "It is a point neuron, or its model is not at hand.";
      this.app.notice(`${this.app.population.name(number)} has no branches to show. ${why}`);
      this.key();
      return;
    }
    this.app.notice("");
    this.rebuild();
    this.stage.place();
    this.app.waiting("Finding its synapses …");
    const synapses = await fetchPacked(`synapses/${number}`).catch((error) => ({ head: { reason: String(error.message) } }));
    this.app.head();
    if (this.app.state.get("neuron") !== number || !this.active) return;
    this.synapses = synapses?.arrays?.time ? synapses : null;
    this.reason = synapses === null ? "Synapses are exported for recorded neurons only." : synapses.head.reason;
    this.app.synapses = { number, data: this.synapses };
    this.app.detail.neuronChanged();
    this.rebuild();
  }

  report() {
    const reports = this.data.head.reports.map((r, k) => ({ ...r, k })).filter((r) => this.data.arrays[`colour${r.k}`]);
    return reports.find((r) => r.variable === this.app.state.get("variable")) ?? reports.find((r) => r.variable === "v") ?? reports[0] ?? null;
  }

  rebuild() {
    this.clear();
    if (!this.data?.arrays.start) return;
    const { start, end, radius, ends, kind } = this.data.arrays;
    const n = radius.length;
    const scale = (values) => values.map((v) => v / 1000);
    const key = Float32Array.from({ length: n }, (_, k) => k);
    const somatic = [...kind.keys()].filter((k) => kind[k] === 1);
    this.somatic = somatic.length ? somatic : [0];
    const thick = scale(ends);
    for (const k of somatic) thick[2 * k] = thick[2 * k + 1] = 0; // a sphere stands for it
    this.branches = new Branches({ begin: scale(start), end: scale(end), radius: thick, key }, n);
    this.soma = new Dots(1);
    const s = this.somatic[0];
    const last = this.somatic.at(-1);
    const middle = [0, 1, 2].map((j) => (start[3 * s + j] + end[3 * last + j]) / 2000);
    this.soma.position.set(middle);
    this.soma.size.set([(radius[s] * 1.05) / 1000, 4]);
    this.soma.mesh.renderOrder = 2;
    this.scene.add(this.branches.mesh, this.soma.mesh);
    const box = new THREE.Box3();
    const point = new THREE.Vector3();
    for (let k = 0; k < n; k++) box.expandByPoint(point.fromArray(end, 3 * k).divideScalar(1000));
    box.getCenter(this.centre);
    this.size = box.getSize(new THREE.Vector3()).max(new THREE.Vector3(0.06, 0.06, 0));
    this.radius = this.size.length() / 2;
    this.dots();
    this.key();
    this.bar();
    this.stage.stale = true;
  }

  dots() {
    if (!this.synapses) return;
    const { start, end, radius } = this.data.arrays;
    const { compartment, excites } = this.synapses.arrays;
    const n = compartment.length;
    // on a recording they leave its colours to be seen
    const [bright, least] = this.report() ? [this.app.dark() ? 0.62 : 0.75, 1.3] : [this.app.dark() ? 1 : 0.85, 1.7];
    this.quiet = new Dots(n);
    this.lights = new Dots(n, { soft: true });
    for (let k = 0; k < n; k++) {
      const c = compartment[k];
      const along = (k * 0.618034) % 1;
      const angle = k * 2.399963;
      const off = [Math.cos(angle), Math.sin(angle), Math.sin(angle * 1.7)].map((x) => x * radius[c] * 1.1);
      const at = [0, 1, 2].map((j) => (start[3 * c + j] * (1 - along) + end[3 * c + j] * along + off[j]) / 1000);
      this.quiet.position.set(at, 3 * k);
      this.lights.position.set(at, 3 * k);
      const colour = (excites[k] ? EXCITES : INHIBITS).map((x) => x / 255);
      this.quiet.colour.set([...colour.map((x) => x * bright), 1], 4 * k);
      this.quiet.size.set([0.0007, least], 2 * k);
      this.lights.colour.set([...colour, 0], 4 * k);
      this.lights.size.set([0.0065, 6.5], 2 * k);
    }
    this.quiet.mesh.renderOrder = 3;
    this.lights.mesh.renderOrder = 4;
    this.lights.mesh.material.blending = this.app.dark() ? THREE.AdditiveBlending : THREE.NormalBlending;
    this.scene.add(this.quiet.mesh, this.lights.mesh);
  }

  /** What the colours mean. */
  key() {
    const box = document.getElementById("key");
    const report = this.data && this.data.arrays.start ? this.report() : null;
    const words = [];
    if (report) {
      const shown = quantity(report);
      const others = this.data.head.reports.filter((r, k) => this.data.arrays[`colour${k}`]);
      const pick = others.length > 1 ? html`<select id="variable" aria-label="Colour branches by">${others.map((r) => html`<option value="${r.variable}" ${r.variable === report.variable ? "selected" : ""}>${title(r.variable)}</option>`)}</select>` : shown.title;
      const at = (x) => shown.text(shown.at(x)).replace(/\.0$/, "");
      const map = shown.map(this.app.dark());
      const note = shown.current ? html`<div class="note">negative (blue): inwards</div>` : "";
      words.push(html`<div>${pick}</div><div class="ramp"><i data-css="background:linear-gradient(90deg,${Array.from({ length: 14 }, (_, k) => css(map(k / 13))).join()})"></i><span>${at(0)}</span><span>${at(0.5)}</span><span>${at(1)} ${shown.unit}</span></div>${note}`);
    } else if (this.data?.arrays.start) {
      words.push(html`<div>${this.data.head.reports.length ? "Recorded at single places: colours tell branches" : this.app.spikes.awaits ? "Not run yet: colours tell branches" : "No recording: colours tell branches"}</div><div class="kinds">${[3, 4, 2].filter((k) => this.data.arrays.kind.includes(k)).map((k) => html`<span><i data-css="background:${KIND_COLOURS[k]}"></i>${KINDS[k]}</span>`)}</div>`);
    }
    if (this.synapses) {
      const excites = this.synapses.arrays.excites.reduce((a, b) => a + b, 0);
      const n = this.synapses.arrays.excites.length;
      words.push(html`<div class="kinds"><span><i class="dot" data-css="background:${css(EXCITES)}"></i>${excites.toLocaleString()} excitatory</span><span><i class="dot" data-css="background:${css(INHIBITS)}"></i>${(n - excites).toLocaleString()} inhibitory synapses</span></div>`);
    } else if (this.reason) words.push(html`<div class="note">${this.reason}</div>`);
    put(box, html`${words}`);
    box.querySelector("#variable")?.addEventListener("change", (e) => this.app.state.set({ variable: e.target.value }));
  }

  /** The same for a figure: a range of colours, and kinds. */
  legend() {
    const report = this.report();
    const ramp = {};
    if (report) {
      const shown = quantity(report);
      const map = shown.map(this.app.dark());
      const at = (x) => shown.text(shown.at(x)).replace(/\.0$/, "");
      Object.assign(ramp, { title: shown.title, ramp: Array.from({ length: 14 }, (_, k) => css(map(k / 13))), marks: [at(0), at(0.5), `${at(1)} ${shown.unit}`.trim()] });
    }
    const kinds = report ? [] : [3, 4, 2].filter((k) => this.data.arrays.kind.includes(k)).map((k) => [KINDS[k], KIND_COLOURS[k]]);
    const synapses = this.synapses ? [["excitatory synapse", css(EXCITES)], ["inhibitory", css(INHIBITS)]] : [];
    return { title: "Branches", ...ramp, named: [...kinds, ...synapses] };
  }

  bar() {
    const element = document.createElement("div");
    element.className = "label scale";
    this.box.replaceChildren(this.ring, element);
    this.scaleBar = element;
  }

  clear() {
    for (const part of [this.branches, this.soma, this.quiet, this.lights]) part?.dispose();
    this.branches = this.soma = this.quiet = this.lights = null;
    this.scene.clear();
    this.box?.replaceChildren();
    document.getElementById("key").replaceChildren();
  }

  repaint() {
    this.stage.stale = true;
  }

  wants() {
    return this.app.state.get("playing");
  }

  draw() {
    const { renderer, camera } = this.stage;
    renderer.setRenderTarget(null);
    renderer.setClearColor(new THREE.Color(...this.app.background()), 1);
    renderer.clear();
    if (!this.branches) return;
    this.paint();
    this.branches.look(this.stage, 1.1);
    this.branches.fade(this.app.background(), camera.position.distanceTo(this.centre), this.radius, 0.4);
    for (const part of [this.soma, this.quiet, this.lights]) part?.look(this.stage);
    renderer.render(this.scene, camera);
  }

  paint() {
    const { kind } = this.data.arrays;
    const report = this.report();
    const now = this.app.now();
    const rest = this.app.dark() ? [74, 78, 88] : [178, 182, 190];
    if (report) {
      const { shade, map: maps, ...shown } = quantity(report);
      const map = maps(this.app.dark());
      const values = valuesAt(report, this.data.arrays[`colour${report.k}`], kind.length, now);
      this.shown = { report, values, ...shown };
      for (let k = 0; k < kind.length; k++) this.branches.paint(k, Number.isNaN(values[k]) ? rest : map(shade(values[k])));
      const soma = values[this.somatic[0]];
      this.soma.colour.set([...(Number.isNaN(soma) ? rest : map(shade(soma))).map((c) => c / 255), 1]);
    } else {
      this.shown = null;
      const times = this.app.spikeTimes(this.app.state.get("neuron"));
      const k = lowerBound(times, now + 1e-4) - 1;
      const glow = k >= 0 ? Math.exp((times[k] - now) / (1.5 * this.app.tau())) : 0;
      const hot = this.app.dark() ? [255, 244, 214] : [20, 20, 30];
      for (let c = 0; c < kind.length; c++) {
        const base = [1, 3, 5].map((j) => parseInt(KIND_COLOURS[kind[c]].slice(j, j + 2), 16));
        this.branches.paint(c, base.map((x, j) => x * (1 - glow) + hot[j] * glow));
      }
      this.soma.colour.set([...[216, 216, 216].map((x, j) => (x * (1 - glow) + hot[j] * glow) / 255), 1]);
    }
    this.soma.update("colour");
    if (!this.lights) return;
    const { time, synapse } = this.synapses.arrays;
    const tau = Math.min(this.app.tau(), 12);
    const { colour } = this.lights;
    for (let k = 3; k < colour.length; k += 4) colour[k] = 0;
    for (let e = lowerBound(time, now - 4 * tau); e < time.length && time[e] <= now + 1e-4; e++)
      colour[4 * synapse[e] + 3] = Math.min(1, colour[4 * synapse[e] + 3] + 0.85 * Math.exp((time[e] - now) / tau));
    this.lights.update("colour");
  }

  overlay() {
    if (this.scaleBar) this.stage.scaleBar(this.scaleBar);
    const probe = this.probed(this.data);
    const [begin, end] = probe < 0 ? [] : this.places(probe);
    this.stage.mark(this.ring, begin?.lerp(end, 0.5));
  }

  /** The compartment of a neuron that has the probe; -1 if none has, or what is there was not recorded. */
  probed(data) {
    const probe = this.app.state.get("probe");
    return recordedWhole(data) && probe < data.arrays.kind?.length ? probe : -1;
  }

  /** Where a compartment begins and ends, mm. */
  places(k) {
    const { start, end } = this.data.arrays;
    return [start, end].map((places) => new THREE.Vector3().fromArray(places, 3 * k).divideScalar(1000));
  }

  /** The same in the picture, px. */
  ends(k) {
    return this.places(k).map((place) => this.stage.project(place));
  }

  /** The compartment that is drawn under a point of the picture, or nearest by it; -1 if there is none. */
  nearest(x, y) {
    const { radius } = this.data.arrays;
    const um = 1000 * this.stage.pixel();
    let [least, best] = [1, -1];
    for (let k = 0; k < radius.length; k++) {
      const [[a, b], [c, d]] = this.ends(k);
      const along = ((x - a) * (c - a) + (y - b) * (d - b)) / ((c - a) ** 2 + (d - b) ** 2 || 1);
      const part = Math.min(Math.max(along, 0), 1);
      const away = Math.hypot(a + part * (c - a) - x, b + part * (d - b) - y) / (radius[k] / um + NEAR); // thick ones reach further
      if (away < least) [least, best] = [away, k];
    }
    return best;
  }

  /** The middle of the compartment under a point of the picture; null if there is none. */
  under(x, y) {
    const best = this.branches ? this.nearest(x, y) : -1;
    if (best < 0) return null;
    const [begin, end] = this.places(best);
    return begin.lerp(end, 0.5);
  }

  /** Put the probe where the picture was clicked; beside the neuron, take it away. */
  press(x, y) {
    if (this.branches && recordedWhole(this.data)) this.app.state.set({ probe: this.nearest(x, y) });
  }

  /** What lies under the pointer, in words. */
  hover(x, y) {
    if (!this.branches) return null;
    const point = new THREE.Vector3();
    if (this.quiet) {
      let [near, best] = [6, -1];
      const { source, population, excites, delay } = this.synapses.arrays;
      for (let k = 0; k < source.length; k++) {
        const [a, b] = this.stage.project(point.fromArray(this.quiet.position, 3 * k));
        const distance = Math.hypot(a - x, b - y);
        if (distance < near) [near, best] = [distance, k];
      }
      if (best >= 0) {
        const from = source[best] === 0xffffffff ? this.synapses.head.populations[population[best]] : this.app.describe(source[best]);
        return html`<b>${excites[best] ? "Excitatory" : "Inhibitory"} synapse</b> from ${from}<br>delay ${delay[best].toFixed(1)} ms`;
      }
    }
    const best = this.nearest(x, y);
    if (best < 0) return null;
    const report = this.shown?.report;
    const value = this.shown?.values[best];
    const read = !report ? "" : Number.isNaN(value) ? `no ${report.variable} here` : `${this.shown.text(value)} ${this.shown.unit}`;
    return html`<b>${placeOf(this.data, best)}</b><br>Ø ${(2 * this.data.arrays.radius[best]).toFixed(1)} µm${read ? ` · ${read}` : ""}`;
  }

  pick() {
    return -1;
  }
}
