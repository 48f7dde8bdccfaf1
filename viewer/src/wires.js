// Whom a neuron hears and whom it tells: counted by area, and as lines through the picture.

import * as THREE from "three";
import { Dots } from "./branches.js";
import { html } from "./markup.js";
import { fetchPacked } from "./source.js";

export const OUTSIDE = 0xffffffff;
const ROWS = 8; // of a table
const COLOURS = { excites: [255, 184, 92], inhibits: [92, 196, 255], out: [140, 224, 150] };
const ON_LIGHT = { excites: [182, 95, 0], inhibits: [0, 100, 160], out: [30, 125, 60] };

export class Wires {
  constructor(app) {
    this.app = app;
    this.scene = new THREE.Scene();
    this.blocks = new Map();
    this.key = "";
    app.state.on(["neuron", "wires", "theme", "view"], () => this.changed());
  }

  /** A block of a neuron, read once; its reason where there is none. */
  read(kind, number) {
    const name = `${kind}/${number}`;
    if (!this.blocks.has(name))
      this.blocks.set(name, fetchPacked(name)
        .then((block) => block ?? { head: { reason: "This page holds connections of recorded neurons only." } })
        .catch((error) => ({ head: { reason: String(error.message) } })));
    return this.blocks.get(name);
  }

  /** The sides that are asked for, of the neuron that is chosen. */
  asked() {
    const { state } = this.app;
    const number = state.get("neuron");
    const wires = state.get("wires");
    return number < 0 ? [] : ["in", "out"].filter((side) => wires === side || wires === "both");
  }

  async changed() {
    const { state } = this.app;
    const number = state.get("neuron");
    const sides = this.asked();
    const key = [number, ...sides].join();
    this.key = key;
    this.found = {};
    this.build();
    this.app.detail?.connections();
    if (sides.length === 0) return;
    for (const side of sides) {
      this.found[side] = { waiting: true };
      this.app.detail?.connections();
      const block = await this.read(side === "in" ? "synapses" : "targets", number);
      await this.app.everyone; // partners are any of them
      if (this.key !== key) return;
      this.found[side] = this.counted(side, block);
      this.build();
      this.app.detail?.connections();
    }
  }

  /** Partners of a block: by neuron and by area. */
  counted(side, { head, arrays }) {
    const who = arrays?.[side === "in" ? "source" : "target"];
    if (!who) return { reason: head.reason ?? "Its connections are not known." };
    const { population } = this.app;
    const partners = new Map();
    const areas = new Map();
    const add = (key, name, code, excites, synapses, partner) => {
      if (!areas.has(key)) areas.set(key, { name, code, excites: 0, inhibits: 0, who: new Set() });
      const area = areas.get(key);
      area[excites ? "excites" : "inhibits"] += synapses;
      area.who.add(partner);
    };
    for (let k = 0; k < who.length; k++) {
      const excites = side === "in" ? arrays.excites[k] === 1 : true;
      const synapses = side === "in" ? 1 : arrays.count[k];
      if (who[k] === OUTSIDE) {
        const name = head.populations[arrays.population[k]];
        add(`outside ${name}`, name, -1, excites, synapses, arrays.row[k]);
        continue;
      }
      const code = population.code(who[k], 0);
      add(`area ${code}`, population.primary.values[code].name, code, excites, synapses, who[k]);
      const partner = partners.get(who[k]) ?? { excites, synapses: 0 };
      partner.synapses += synapses;
      partners.set(who[k], partner);
    }
    const rows = [...areas.values()].sort((a, b) => b.excites + b.inhibits - a.excites - a.inhibits);
    const total = rows.reduce((sum, row) => sum + row.excites + row.inhibits, 0);
    return { partners, rows, total };
  }

  colours() {
    return this.app.dark() ? COLOURS : ON_LIGHT;
  }

  /** Lines from or to the neuron, and its partners as balls. */
  build() {
    for (const object of this.scene.children) {
      object.geometry.dispose();
      object.material.dispose();
    }
    this.scene.clear();
    this.dots = [];
    const { app } = this;
    const { cloud } = app;
    const number = app.state.get("neuron");
    const sides = Object.entries(this.found ?? {}).filter(([, found]) => found.partners);
    this.there = sides.length > 0;
    const colours = this.colours();
    for (const [side, { partners }] of sides) {
      const own = cloud.worldOf(number);
      const n = partners.size;
      const place = new Float32Array(6 * n);
      const colour = new Float32Array(8 * n);
      const dots = new Dots(n);
      const most = Math.max(...[...partners.values()].map((p) => p.synapses), 1);
      [...partners].forEach(([who, { excites, synapses }], k) => {
        const at = cloud.worldOf(who);
        const shade = (side === "out" ? colours.out : excites ? colours.excites : colours.inhibits).map((c) => c / 255);
        place.set([...at.toArray(), ...own.toArray()], 6 * k);
        const strength = 0.18 + 0.5 * (synapses / most);
        colour.set([...shade, strength, ...shade, 0.5 * strength], 8 * k);
        dots.position.set(at.toArray(), 3 * k);
        dots.colour.set([...shade, 1], 4 * k);
        dots.size.set([0.35 * cloud.spread(cloud.n), 2], 2 * k);
      });
      const geometry = new THREE.BufferGeometry();
      geometry.setAttribute("position", new THREE.BufferAttribute(place, 3));
      geometry.setAttribute("color", new THREE.BufferAttribute(colour, 4));
      const lines = new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ vertexColors: true, transparent: true, depthTest: false, depthWrite: false }));
      lines.frustumCulled = false;
      dots.mesh.material.depthTest = false;
      dots.mesh.renderOrder = 2;
      this.dots.push(dots);
      this.scene.add(lines, dots.mesh);
    }
    cloud.uniforms.hush.value = this.there ? 0.42 : 1;
    app.stage?.view?.repaint?.();
  }

  look(stage) {
    for (const dots of this.dots ?? []) dots.look(stage);
  }

  /** A side as a small table, for the card of the neuron. */
  table(side) {
    const found = this.found?.[side];
    if (!found) return "";
    if (found.waiting) return html`<p class="note">Finding its ${side === "in" ? "inputs" : "targets"} …</p>`;
    if (found.reason) return html`<p class="note">${found.reason}</p>`;
    const { css } = this;
    const c = this.colours();
    const most = Math.max(...found.rows.map((row) => row.excites + row.inhibits), 1);
    const inputs = side === "in";
    const bar = (row) => html`<span class="bar"><i data-css="width:${((100 * row.excites) / most).toFixed(1)}%;background:${css(inputs ? c.excites : c.out)}"></i><i data-css="width:${((100 * row.inhibits) / most).toFixed(1)}%;background:${css(c.inhibits)}"></i></span>`;
    const line = (row) => html`<tr><th>${row.code >= 0 ? html`<button data-do="area" data-name="${row.name}" title="Select ${row.name}">${row.name}</button>` : row.name}</th><td>${bar(row)}</td><td>${(row.excites + row.inhibits).toLocaleString()}</td><td>${row.who.size.toLocaleString()}</td></tr>`;
    const shown = found.rows.slice(0, ROWS);
    const rest = found.rows.slice(ROWS);
    const sum = (rows, key) => rows.reduce((a, row) => a + row[key], 0);
    const others = rest.length ? html`<tr class="rest"><th>${rest.length} more</th><td></td><td>${(sum(rest, "excites") + sum(rest, "inhibits")).toLocaleString()}</td><td>${rest.reduce((a, row) => a + row.who.size, 0).toLocaleString()}</td></tr>` : "";
    return html`<table class="wires"><caption>${inputs ? "Inputs" : "Targets"}: ${found.total.toLocaleString()} synapses</caption>
      <thead><tr><th>${inputs ? "from" : "to"}</th><td></td><td>synapses</td><td>neurons</td></tr></thead>
      <tbody>${shown.map(line)}${others}</tbody></table>
      <p class="note">${inputs ? html`<i class="dot" data-css="background:${css(c.excites)}"></i> excitatory <i class="dot" data-css="background:${css(c.inhibits)}"></i> inhibitory` : html`<i class="dot" data-css="background:${css(c.out)}"></i> of this neuron`}, as lines in the cortex</p>`;
  }

  css([r, g, b]) {
    return `rgb(${r} ${g} ${b})`;
  }
}
