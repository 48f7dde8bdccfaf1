// The neurons: places, attributes, names; which of them are shown, and in which colours.

import { INFERNO, onLight, PLASMA, rgb } from "./palettes.js";

/** Neurons of a row of a texture. */
export const WIDTH = 2048;
const STRIDE = 4; // numbers a neuron, of places and codes: they are textures as they are
const AWAY = 512; // of the fourth number of a place: the neuron is not shown

/** Neurons come in parts, in random order; `n` of them are there, of `total`. */
export class Population {
  constructor({ head, arrays }) {
    this.head = head;
    this.total = head.n;
    this.n = 0;
    const room = WIDTH * Math.max(Math.ceil(head.n / WIDTH), 1);
    this.position = new Uint16Array(STRIDE * room); // steps; and its stratum, 255 until that is known
    for (let k = STRIDE - 1; k < this.position.length; k += STRIDE) this.position[k] = AWAY | 255;
    this.codes = new Uint8Array(STRIDE * room); // of its facets
    this.nodeId = new Uint32Array(head.n);
    this.populationOf = new Uint8Array(head.n);
    this.facets = head.facets;
    this.branched = head.branched;
    this.primary = this.facets[0];
    this.layered = this.facets.findIndex((f) => f.key === "layer");
    this.second = this.layered > 0 ? this.layered : Math.min(1, this.facets.length - 1);
    this.sided = this.facets.findIndex((f) => f.key === "hemisphere");
    this.take(arrays);
  }

  /** The next part. */
  take({ position, facets, node_id: ids, population }) {
    const { n } = this;
    const k = this.facets.length;
    for (let i = 0; i < ids.length; i++) {
      const at = STRIDE * (n + i);
      for (let axis = 0; axis < 3; axis++) this.position[at + axis] = position[3 * i + axis];
      this.position[at + 3] &= ~AWAY;
      for (let f = 0; f < k; f++) this.codes[at + f] = facets[k * i + f];
    }
    this.nodeId.set(ids, n);
    if (population) this.populationOf.set(population, n);
    this.n = n + ids.length;
    this.order = null;
    const there = (i) => i < this.n;
    this.recorded = this.head.recorded.filter(there); // those with all compartments first
    this.whole = this.head.whole.filter(there);
  }

  code(number, facet) {
    return this.codes[STRIDE * number + facet];
  }

  /** Steps of a neuron along an axis. */
  step(number, axis) {
    return this.position[STRIDE * number + axis];
  }

  value(number, facet) {
    return this.facets[facet].values[this.code(number, facet)];
  }

  /** Steps to millimetres as they are shown: right, up, back for the atlas; as they are otherwise. */
  toWorld() {
    const { low, step } = this.head.places;
    const s = step / 1000;
    const { extent } = this.head.places;
    const middle = extent.map(([a, b]) => (a + b) / 2);
    /** mm, [least, most] along each axis of the circuit's coordinates */
    this.extent = extent.map((ends, k) => ends.map((p) => (low[k] + step * p) / 1000));
    if (this.head.frame === "ccf") {
      middle[2] = (this.head.midplane - low[2]) / step;
      // anterior-posterior, dorsal-ventral, medial-lateral -> z, -y, x
      return [0, 0, s, 0, 0, -s, 0, 0, s, 0, 0, 0, -s * middle[2], s * middle[1], -s * middle[0], 1];
    }
    return [s, 0, 0, 0, 0, s, 0, 0, 0, 0, s, 0, -s * middle[0], -s * middle[1], -s * middle[2], 1];
  }

  /** A point of the atlas, um, as [right, up, back], mm; only for the atlas. */
  fromAtlas([ap, dv, ml]) {
    const middle = this.extent.map(([a, b]) => (a + b) / 2);
    return [(ml - this.head.midplane) / 1000, middle[1] - dv / 1000, ap / 1000 - middle[0]];
  }

  /** um, in the coordinates of the circuit. */
  place(number) {
    const { low, step } = this.head.places;
    return [0, 1, 2].map((k) => low[k] + step * this.step(number, k));
  }

  /** For every facet and value: shown or hidden. */
  shownValues(hidden) {
    return this.facets.map((f) => {
      const away = new Set(hidden[f.key] ?? []);
      return f.values.map((v) => !away.has(v.name));
    });
  }

  /** Uint8Array[n]: 1 where a neuron is shown, and in the picked value if one is given. */
  members(hidden, picked = -1) {
    const shown = this.shownValues(hidden);
    const k = this.facets.length;
    const member = new Uint8Array(this.n);
    for (let i = 0; i < this.n; i++) {
      let yes = picked < 0 || this.code(i, 0) === picked;
      for (let f = 0; yes && f < k; f++) yes = shown[f][this.code(i, f)];
      member[i] = yes ? 1 : 0;
    }
    return member;
  }

  pickedCode(name) {
    return this.primary.values.findIndex((v) => v.name === name);
  }

  /** [r, g, b] of every value of a facet. */
  colours(facet, { allen, dark }) {
    return facet.values.map((v) => {
      const colour = rgb(allen && v.allen ? v.allen : v.colour);
      return dark ? colour : onLight(colour);
    });
  }

  /** Uint32Array[n]: place of every neuron in rasters, by the first facet, then layer. */
  rank() {
    if (this.order === null) {
      const bins = new Uint32Array(256 * 256 + 1);
      const key = (i) => this.code(i, 0) * 256 + this.code(i, this.second);
      for (let i = 0; i < this.n; i++) bins[key(i) + 1]++;
      for (let b = 0; b < bins.length - 1; b++) bins[b + 1] += bins[b];
      this.order = new Uint32Array(this.n);
      for (let i = 0; i < this.n; i++) this.order[i] = bins[key(i)]++;
    }
    return this.order;
  }

  name(number) {
    const population = this.head.populations[this.populationOf[number]];
    return `${population} ${this.nodeId[number]}`;
  }

  find(text) {
    const space = text.lastIndexOf(" "); // names of populations may have some
    const [population, id] = space < 0 ? [null, text] : [text.slice(0, space), text.slice(space + 1)];
    if (!/^\d+$/.test(id)) return -1;
    for (let i = 0; i < this.n; i++)
      if (
        this.nodeId[i] === Number(id) &&
        (population === null || this.head.populations[this.populationOf[i]] === population)
      )
        return i;
    return -1;
  }

  /** The value of the first attribute of that name, else the first with such words in its title; undefined if there is none. */
  findValue(text) {
    const words = text.toLowerCase();
    const { values } = this.primary;
    return values.find(({ name }) => name.toLowerCase() === words) ?? values.find(({ title }) => words && title.toLowerCase().includes(words));
  }

  /** Of the neurons that `member` has, the nearest to a place ("x, y, z", um); -1 if that is no place. */
  findNear(text, member) {
    const place = text.match(PLACE)?.slice(1).map(Number);
    if (!place || this.head.frame === "none") return -1;
    let [least, best] = [Infinity, -1];
    for (let i = 0; i < this.n; i++) {
      if (!member[i]) continue;
      const away = Math.hypot(...this.place(i).map((x, k) => x - place[k]));
      if (away < least) [least, best] = [away, i];
    }
    return best;
  }
}

/** Three numbers between commas, as a place is told. */
const PLACE = /^(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)$/;

/** Rate to 0..1 on a logarithmic scale from 0.3 to 50 Hz; silent neurons are 0. */
export const rateShade = (hz) => (hz > 0 ? 0.12 + 0.88 * Math.min(Math.max(Math.log(hz / 0.3) / Math.log(50 / 0.3), 0), 1) : 0);
export const rateColour = (x, dark) => (x <= 0 ? rgb(dark ? "#3a3f4b" : "#c3c7ce") : (dark ? INFERNO : PLASMA)(x));
