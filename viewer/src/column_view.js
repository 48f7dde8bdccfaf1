// A slab of one area: along the surface, depth downwards, and the branches of some of its neurons.

import * as THREE from "three";
import { Branches, Dots } from "./branches.js";
import { html, put } from "./markup.js";
import { vivid } from "./palettes.js";
import { fetchPacked } from "./source.js";

const BRANCHED = 64; // neurons drawn with their branches
const MOST = 6000; // somas
const LABELS = 46; // px, room for names of layers
const BELOW = 16; // px, for the words of the scale bar
const WANTED = 160;
const THICKEST = 250; // um, half of what is drawn

export class ColumnView {
  constructor(stage, app) {
    this.stage = stage;
    this.app = app;
    this.scene = new THREE.Scene();
    this.halfU = 0.5;
    this.depth = 1;
    this.top = 0;
    this.labels = [];
    this.slabs = new Map(); // by area
    this.ring = document.createElement("div");
    this.ring.className = "ring";
    this.centre = new THREE.Vector3();
    this.fov = 2; // nearly parallel: what lies in front does not reach beyond pia and white matter
    app.state.on(["picked", "side", "hidden", "rates", "colour", "allen", "theme"], () => this.active && (this.ready = this.show()));
  }

  enter() {
    this.active = true;
    this.box = document.getElementById("labels");
    this.clear();
    this.ready = this.show();
  }

  /** Read the slab that is asked for, and what cells look like, unless they are there; and build. */
  async show() {
    const part = this.part();
    if (!this.slabs.has(part)) {
      this.app.notice(this.app.models ? "Reading the column …" : "Reading cell models …");
      try {
        const [slab] = await Promise.all([fetchPacked(`slab/${part}`), this.app.loadModels()]);
        this.slabs.set(part, slab);
      } catch (error) {
        if (this.active) this.app.notice(`The column could not be read: ${error.message}`);
        return;
      }
      if (this.active) this.app.notice("");
    }
    if (!this.active || part !== this.part()) return; // it came late
    const other = this.slab !== this.slabs.get(part);
    this.slab = this.slabs.get(part);
    this.build();
    if (other) this.stage.place();
  }

  /** The slab that holds what is asked for: that of the area, where neurons have one, else the only one. */
  part() {
    return this.app.population.primary.key === "area" ? this.area() : 0;
  }

  leave() {
    this.active = false;
    this.box.replaceChildren();
    document.getElementById("presets").replaceChildren();
  }

  extent() {
    return Math.hypot(this.halfU, this.depth / 2);
  }

  home() {
    const height = (this.depth - this.top) / 2;
    const half = this.stage.width / 2;
    const wide = (this.halfU * half) / Math.max(half - LABELS, 40);
    const tall = this.stage.height / 2;
    const high = (1.08 * height * tall) / Math.max(tall - BELOW, 40);
    this.stage.lookAt(this.centre, new THREE.Vector3(0, 0, 1), [[wide, high, 0]]);
  }

  area() {
    const { population, state } = this.app;
    const code = population.pickedCode(state.get("picked"));
    if (code >= 0) return code;
    const names = population.primary.values.map((v) => v.name);
    return population.primary.key === "area" ? Math.max(names.indexOf("VISp"), 0) : -1;
  }

  /** um, of the lowest border of the area's layers. */
  deepest() {
    const bottoms = Object.values(this.slab.head.borders).map(([, bottom]) => bottom);
    return bottoms.length ? Math.max(...bottoms) : Infinity;
  }

  /** Neurons of the area and side, and those of them inside the slab. */
  choose() {
    const { population, state } = this.app;
    const { places } = this.slab.head;
    const raw = this.slab.arrays.slab;
    const member = this.app.member();
    const area = this.area();
    const byArea = population.primary.key === "area";
    const side = population.sided < 0 ? -1 : population.facets[population.sided].values.findIndex((v) => v.name === state.get("side"));
    const all = []; // number of a neuron, and its row in the slab
    for (let i = 0, row = 0; i < population.n; i++) {
      if (byArea && population.code(i, 0) !== area) continue;
      if (member[i] && (area < 0 || population.code(i, 0) === area) && (side < 0 || population.code(i, population.sided) === side)) all.push([i, row]);
      row++;
    }
    const at = ([, row], k) => places.low[k] + places.step * raw[3 * row + k];
    const sorted = [0, 1].map((k) => Float64Array.from(all, (who) => at(who, k)).sort());
    const middle = sorted.map((s) => s[s.length >> 1] ?? 0);
    const reach = sorted.map((s, k) => (s.length ? Math.max(middle[k] - s[0], s[s.length - 1] - middle[k]) : 1));
    // a panel of a figure has its shape: the column fills it
    if (this.app.studio) reach[0] = Math.min(reach[0], 0.42 * this.deepest() * this.stage.camera.aspect);
    let [halfU, halfV] = [Math.min(450, reach[0]), 120];
    const inside = () => all.filter((who) => Math.abs(at(who, 0) - middle[0]) <= halfU && Math.abs(at(who, 1) - middle[1]) <= halfV);
    let chosen = inside();
    while (chosen.length < Math.min(WANTED, all.length) && (halfU < reach[0] || halfV < reach[1])) {
      if (halfU < Math.min(halfV < 1200 ? 650 : 1000, reach[0]) || halfV >= reach[1]) halfU *= 1.2;
      else halfV *= 1.2;
      chosen = inside();
    }
    while (chosen.length > MOST && halfV > 20) {
      halfV *= 0.8;
      if (halfV < 60 && halfU > 250) halfU *= 0.85;
      chosen = inside();
    }
    chosen = chosen.slice(0, MOST);
    // few neurons need a thick slab; it is drawn thinner, or the near ones would seem larger
    const thin = Math.min(1, THICKEST / halfV);
    const point = (who) => [(at(who, 0) - middle[0]) / 1000, -at(who, 2) / 1000, (thin * (at(who, 1) - middle[1])) / 1000];
    const halves = { halfU: Math.min(halfU, reach[0] + 20), halfV: Math.min(halfV, reach[1] + 20) };
    return { chosen: chosen.map(([i]) => i), points: chosen.map(point), all, ...halves };
  }

  build() {
    this.clear();
    if (!this.slab) return;
    const { population, state } = this.app;
    const dark = this.app.dark();
    const { chosen, points, all, halfU, halfV } = this.choose();
    this.members = chosen;
    this.index = new Map(chosen.map((i, k) => [i, k]));
    this.base = chosen.map((i) => this.app.colourOf(i));
    this.halfU = Math.max(halfU / 1000, 0.05);
    const area = this.area();
    const name = area >= 0 ? population.primary.values[area].name : "";
    const { borders } = this.slab.head;
    const bottoms = Object.values(borders).map(([, b]) => b / 1000);
    this.depth = bottoms.length ? Math.max(...bottoms) : Math.max(...points.map((p) => -p[1]), 0.05) * 1.05;
    this.top = bottoms.length ? 0 : Math.min(...points.map((p) => -p[1]), this.depth * 0.9);
    this.centre.set(0, -(this.top + this.depth) / 2, 0);

    // somas
    this.somas = new Dots(chosen.length);
    points.forEach((p, k) => this.somas.position.set(p, 3 * k));
    this.somas.mesh.renderOrder = 3;
    this.lights = new Dots(chosen.length, { soft: true });
    this.lights.position.set(this.somas.position);
    this.lights.mesh.material.blending = dark ? THREE.AdditiveBlending : THREE.NormalBlending;
    this.lights.mesh.renderOrder = 4;

    // branches of the first few: the order is random, so they are a fair sample
    const { model, first, start, end, radius, ends, kind } = this.app.models.arrays;
    const grown = chosen.map((i, k) => [i, k]).filter(([i]) => this.app.model(i) !== null).slice(0, BRANCHED);
    const total = grown.reduce((sum, [i]) => sum + first[model[i] + 1] - first[model[i]], 0);
    const parts = { begin: new Float32Array(3 * total), end: new Float32Array(3 * total), radius: new Float32Array(2 * total), key: new Float32Array(total) };
    let s = 0;
    grown.forEach(([i, k], cell) => {
      const [x, y, z] = points[k];
      const turn = (i * 2.399963) % (2 * Math.PI); // about the axis from pia to white matter
      const [c, sn] = [Math.cos(turn), Math.sin(turn)];
      let [tip, root] = [1e-6, 1e-6];
      for (let b = first[model[i]]; b < first[model[i] + 1]; b++) {
        tip = Math.max(tip, end[3 * b + 1] / 1000);
        root = Math.max(root, -end[3 * b + 1] / 1000);
      }
      // none leaves through the pia, nor into the white matter
      const within = (room, length) => (bottoms.length ? Math.min(1, Math.max(room - 0.008, 0.004) / length) : 1);
      const [above, below] = [within(-y, tip), within(this.depth + y, root)];
      for (let b = first[model[i]]; b < first[model[i] + 1]; b++, s++) {
        for (const [from, to] of [[start, parts.begin], [end, parts.end]]) {
          const [a, h, d] = [from[3 * b], from[3 * b + 1], from[3 * b + 2]].map((v) => v / 1000);
          to[3 * s] = x + c * a + sn * d;
          to[3 * s + 1] = y + (h > 0 ? above : below) * h;
          to[3 * s + 2] = z - sn * a + c * d;
        }
        for (const k of [0, 1]) parts.radius[2 * s + k] = ((kind[b] === 2 ? 0.6 : 1) * ends[2 * b + k]) / 1000;
        parts.key[s] = cell;
      }
    });
    this.grown = grown;
    if (bottoms.length === 0) this.frameTo(parts, points);
    this.bands(borders, Math.min(halfV, THICKEST) / 1000);
    this.branches = new Branches(parts, Math.max(grown.length, 1));
    this.branches.mesh.renderOrder = 2;
    this.scene.add(this.branches.mesh, this.somas.mesh, this.lights.mesh);
    const withBranches = new Set(grown.map(([i]) => i));
    chosen.forEach((i, k) => {
      const own = this.app.model(i) === null ? 7 : Math.max(radius[first[model[i]]], 4);
      this.somas.size.set([(withBranches.has(i) ? own * 1.25 : own * 0.9) / 1000, 1.6], 2 * k);
      this.lights.size.set([(own * 4.5) / 1000, 6], 2 * k);
    });
    this.somas.update("position", "size");
    this.lights.update("position", "size");
    this.controls(name, chosen.length, all.length, grown.length, halfV);
    this.stage.stale = true;
  }

  /** Without layers, what is drawn tells how high and wide the slab is. */
  frameTo({ begin, end }, points) {
    let [low, high, wide] = [Infinity, -Infinity, 0.03];
    for (const values of [begin, end, points.flat()])
      for (let k = 0; k < values.length; k += 3) {
        low = Math.min(low, values[k + 1]);
        high = Math.max(high, values[k + 1]);
        wide = Math.max(wide, Math.abs(values[k]));
      }
    if (low > high) return;
    [this.top, this.depth, this.halfU] = [-high, -low + 0.02, wide];
    this.centre.set(0, (low + high) / 2, 0);
  }

  bands(borders, halfV) {
    const light = this.app.dark() ? [1, 1, 1] : [0, 0, 0];
    const entries = Object.entries(borders);
    entries.forEach(([name, [top, bottom]], k) => {
      const height = (bottom - top) / 1000;
      const plane = new THREE.Mesh(
        new THREE.PlaneGeometry(2 * this.halfU, height),
        new THREE.MeshBasicMaterial({ color: new THREE.Color(...light), transparent: true, opacity: k % 2 ? 0.018 : 0.05, depthWrite: false }),
      );
      plane.position.set(0, -(top + bottom) / 2000, -halfV - 0.01);
      this.scene.add(plane);
      this.label(html`<b>${name}</b> <span>${Math.round(top)}–${Math.round(bottom)} µm</span>`, [-this.halfU, -(top + bottom) / 2000, -halfV], "layer");
    });
    const z = -halfV;
    const line = (a, b) => {
      const geometry = new THREE.BufferGeometry().setFromPoints([new THREE.Vector3(...a), new THREE.Vector3(...b)]);
      this.scene.add(new THREE.Line(geometry, new THREE.LineBasicMaterial({ color: new THREE.Color(...light), transparent: true, opacity: 0.4 })));
    };
    if (entries.length) {
      line([-this.halfU, 0, z], [this.halfU, 0, z]);
      line([-this.halfU, -this.depth, z], [this.halfU, -this.depth, z]);
      this.label(html`<i>pia</i>`, [this.halfU, 0, z], "edge");
      this.label(html`<i>white matter</i>`, [this.halfU, -this.depth, z], "edge");
    }
    const bar = this.halfU > 0.6 ? 0.2 : this.halfU > 0.2 ? 0.1 : 0.02;
    const y = -this.depth - 0.04 * (this.depth - this.top);
    line([this.halfU - bar, y, z], [this.halfU, y, z]);
    this.label(`${Math.round(bar * 1000)} µm`, [this.halfU - bar / 2, y, z], "bar");
  }

  label(content, point, kind) {
    const element = document.createElement("div");
    element.className = `label ${kind}`;
    put(element, content);
    this.box.append(element);
    this.labels.push([element, new THREE.Vector3(...point)]);
  }

  controls(name, shown, all, grown, halfV) {
    const { population, state } = this.app;
    const box = document.getElementById("presets");
    const options = (values, chosen) => values.map((v) => html`<option ${v === chosen ? "selected" : ""}>${v}</option>`);
    const sides = population.sided < 0 ? "" : html`<select id="side" aria-label="Hemisphere">${options(population.facets[population.sided].values.map((v) => v.name), state.get("side"))}</select>`;
    const first = area => area ? "" : html`<option value="" selected>all</option>`;
    put(box, html`<select id="area" aria-label="${population.primary.title}">${first(name)}${options(population.primary.values.map((v) => v.name), name)}</select>${sides}
      <span>${shown === 0 ? "No neuron here is shown: see the filters on the left." : `${shown.toLocaleString()} of ${all.toLocaleString()} neurons, ${grown} with branches · slab ${Math.round(2 * this.halfU * 1000)} × ${Math.round(2 * halfV)} µm`}</span>`);
    box.querySelector("#area").addEventListener("change", (e) => state.set({ picked: e.target.value }));
    box.querySelector("#side")?.addEventListener("change", (e) => state.set({ side: e.target.value }));
  }

  clear() {
    this.branches?.dispose();
    this.somas?.dispose();
    this.lights?.dispose();
    this.scene.clear();
    this.labels = [];
    this.members = [];
    this.index = null;
    this.box?.replaceChildren(this.ring);
    this.ring.hidden = true;
  }

  repaint() {
    this.stage.stale = true;
  }

  wants() {
    return this.app.state.get("playing");
  }

  draw() {
    const { renderer, camera } = this.stage;
    const background = this.app.background();
    renderer.setRenderTarget(null);
    renderer.setClearColor(new THREE.Color(...background), 1);
    renderer.clear();
    if (this.branches) {
      this.light();
      this.branches.look(this.stage, 0.55);
      this.somas.look(this.stage);
      this.lights.look(this.stage);
      renderer.render(this.scene, camera);
    }
  }

  /** Neurons that spiked within the last moments shine, with all their branches. */
  light() {
    const dark = this.app.dark();
    const now = this.app.now();
    const tau = this.app.tau() * 1.3;
    const glow = new Float32Array(this.members.length);
    this.app.spikes.within(now - 5 * tau, now + 1e-4, (time, neuron, begin, end) => {
      for (let k = begin; k < end; k++) {
        const at = this.index.get(neuron[k]);
        if (at !== undefined) glow[at] = Math.max(glow[at], Math.exp((time[k] - now) / tau));
      }
    });
    const hot = this.base.map((colour) => vivid(colour, dark));
    const rest = dark ? 0.78 : 1;
    this.members.forEach((i, k) => {
      const g = glow[k];
      const [r, gr, b] = this.base[k].map((c, j) => (c * rest * (1 - g) + hot[k][j] * g) / 255);
      this.somas.colour.set([r, gr, b, 1], 4 * k);
      const [lr, lg, lb] = this.base[k];
      this.lights.colour.set([lr / 255, lg / 255, lb / 255, 0.85 * g], 4 * k);
    });
    this.somas.update("colour");
    this.lights.update("colour");
    const dim = dark ? 0.62 : 0.9;
    this.grown.forEach(([, k], cell) => {
      const g = glow[k];
      this.branches.paint(cell, this.base[k].map((c, j) => c * dim * (1 - g) + hot[k][j] * g), 255);
    });
  }

  overlay() {
    const chosen = this.index?.get(this.app.state.get("neuron"));
    this.stage.mark(this.ring, chosen === undefined ? null : new THREE.Vector3().fromArray(this.somas.position, 3 * chosen));
    for (const [element, point] of this.labels) this.stage.mark(element, point);
  }

  pick(x, y) {
    let best = -1;
    let least = 14;
    const point = new THREE.Vector3();
    this.members.forEach((i, k) => {
      const [a, b, front] = this.stage.project(point.fromArray(this.somas.position, 3 * k));
      const distance = Math.hypot(a - x, b - y);
      if (front && distance < least) [least, best] = [distance, i];
    });
    return best;
  }
}
