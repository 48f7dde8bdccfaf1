// The neurons: places, attributes, names; which of them are shown, and in which colours.

import { INFERNO, onLight, PLASMA, rgb } from "./palettes.js";

export class Population {
  constructor({ head, arrays }) {
    this.head = head;
    this.n = head.n;
    this.position = arrays.position; // Uint16Array[n * 3], steps
    this.codes = arrays.facets; // Uint8Array[n * facets]
    this.nodeId = arrays.node_id;
    this.populationOf = arrays.population;
    this.facets = head.facets;
    this.recorded = head.recorded; // those with all compartments first
    this.whole = head.whole;
    this.branched = head.branched;
    this.primary = this.facets[0];
    this.layered = this.facets.findIndex((f) => f.key === "layer");
    this.sided = this.facets.findIndex((f) => f.key === "hemisphere");
    this.order = null;
  }

  code(number, facet) {
    return this.codes[number * this.facets.length + facet];
  }

  value(number, facet) {
    return this.facets[facet].values[this.code(number, facet)];
  }

  /** Steps to millimetres as they are shown: right, up, back for the atlas; as they are otherwise. */
  toWorld() {
    const { low, step } = this.head.places;
    const s = step / 1000;
    let extent = [0, 1, 2].map(() => [Infinity, -Infinity]);
    for (let k = 0; k < this.position.length; k++) {
      const e = extent[k % 3];
      if (this.position[k] < e[0]) e[0] = this.position[k];
      if (this.position[k] > e[1]) e[1] = this.position[k];
    }
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
    return [0, 1, 2].map((k) => low[k] + step * this.position[3 * number + k]);
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
      let yes = picked < 0 || this.codes[i * k] === picked;
      for (let f = 0; yes && f < k; f++) yes = shown[f][this.codes[i * k + f]];
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
      const second = this.layered > 0 ? this.layered : Math.min(1, this.facets.length - 1);
      const bins = new Uint32Array(256 * 256 + 1);
      const key = (i) => this.code(i, 0) * 256 + this.code(i, second);
      for (let i = 0; i < this.n; i++) bins[key(i) + 1]++;
      for (let b = 0; b < bins.length - 1; b++) bins[b + 1] += bins[b];
      this.order = new Uint32Array(this.n);
      for (let i = 0; i < this.n; i++) this.order[i] = bins[key(i)]++;
      this.second = second;
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
}

/** Rate to 0..1 on a logarithmic scale from 0.3 to 50 Hz; silent neurons are 0. */
export const rateShade = (hz) => (hz > 0 ? 0.12 + 0.88 * Math.min(Math.max(Math.log(hz / 0.3) / Math.log(50 / 0.3), 0), 1) : 0);
export const rateColour = (x, dark) => (x <= 0 ? rgb(dark ? "#3a3f4b" : "#c3c7ce") : (dark ? INFERNO : PLASMA)(x));
