// Pictures over time, with one cursor: the raster of spikes and the rates of areas.

import { html, put } from "./markup.js";
import { CALM, CALM_LIGHT, css, EMBERS, MAGMA, theme } from "./palettes.js";
import { smooth } from "./spectrum.js";
import { pixelRatio } from "./stage.js";

const GUTTER = 74; // px, for labels
const AXIS = 18;
const WIDE = 440; // px, that have room for all words of a scale

/** A canvas with a time axis below and labels on the left. */
class Timeline {
  constructor(element, app, title) {
    this.app = app;
    this.element = element;
    put(element, html`<h2>${title}</h2><div class="plot"><canvas></canvas><div class="cursor"></div></div>`);
    this.title = element.querySelector("h2");
    this.plot = element.querySelector(".plot");
    this.canvas = element.querySelector("canvas");
    this.cursor = element.querySelector(".cursor");
    this.stale = true;
    new ResizeObserver(() => (this.stale = true)).observe(this.plot);
    app.state.on(["from", "to", "hidden", "colour", "allen", "theme", "picked", "view", "neuron", "lasso", "rates"], () => (this.stale = true));
    this.listen();
  }

  get span() {
    const { state, spikes } = this.app;
    const to = state.get("to") || spikes.duration;
    return [Math.min(state.get("from"), to - 1e-3), to];
  }

  listen() {
    let dragging = false;
    const scrub = (event) => this.app.seek(this.timeAt(event.offsetX));
    this.plot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      if (event.offsetX < GUTTER) {
        this.choose(event.offsetY);
        return;
      }
      dragging = true;
      this.plot.setPointerCapture(event.pointerId);
      scrub(event);
    });
    this.plot.addEventListener("pointermove", (event) => {
      if (dragging) scrub(event);
      this.app.tip(() => this.hover(event.offsetX, event.offsetY), event);
    });
    this.plot.addEventListener("pointerup", () => (dragging = false));
    this.plot.addEventListener("pointerleave", () => this.app.tip(null));
    this.plot.addEventListener("dblclick", () => this.app.state.set({ from: 0, to: 0 }));
    this.plot.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const [from, to] = this.span;
        const at = Math.max(this.timeAt(event.offsetX), from);
        const factor = Math.exp(0.0015 * event.deltaY);
        const all = this.app.spikes.duration;
        const width = Math.min(Math.max((to - from) * factor, Math.min(5, all)), all);
        const first = Math.min(Math.max(at - ((at - from) / (to - from)) * width, 0), all - width);
        this.app.state.set(width >= all ? { from: 0, to: 0 } : { from: first, to: first + width });
      },
      { passive: false },
    );
  }

  timeAt(x) {
    const [from, to] = this.span;
    return from + ((x - GUTTER) / Math.max(this.width - GUTTER, 1)) * (to - from);
  }

  draw() {
    const [from, to] = this.span;
    const t = this.app.state.get("t");
    const width = this.plot.clientWidth;
    const x = GUTTER + ((t - from) / (to - from)) * (width - GUTTER);
    this.cursor.style.transform = `translateX(${x.toFixed(1)}px)`;
    this.cursor.hidden = t < from || t > to;
    if (!this.stale) return;
    this.stale = false;
    this.width = width;
    this.height = this.plot.clientHeight;
    this.ratio = pixelRatio();
    this.canvas.width = Math.round(this.width * this.ratio);
    this.canvas.height = Math.round(this.height * this.ratio);
    this.theme = theme();
    const context = this.canvas.getContext("2d");
    this.left = GUTTER;
    this.rows = this.height - AXIS;
    if (this.width > GUTTER + 20 && this.rows > 10) this.paint(context);
  }

  /** Time axis and labels of bands of rows: [name, first, last] in parts of the height. */
  frame(context, bands) {
    const { ink, faint, line } = this.theme;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.font = "10px system-ui, sans-serif";
    const [from, to] = this.span;
    const every = niceStep((to - from) / Math.max((this.width - GUTTER) / 90, 1));
    context.fillStyle = faint;
    context.strokeStyle = line;
    context.textBaseline = "top";
    context.textAlign = "center";
    context.lineWidth = 1;
    context.beginPath();
    for (let t = Math.ceil(from / every) * every; t <= to + 1e-9; t += every) {
      const x = GUTTER + ((t - from) / (to - from)) * (this.width - GUTTER);
      context.moveTo(Math.round(x) + 0.5, this.rows);
      context.lineTo(Math.round(x) + 0.5, this.rows + 3);
      const text = +t.toFixed(3) + (t + every > to ? " ms" : "");
      context.textAlign = x > this.width - 24 ? "right" : "center";
      context.fillText(text, Math.min(x, this.width - 1), this.rows + 5);
    }
    context.moveTo(GUTTER - 0.5, 0);
    context.lineTo(GUTTER - 0.5, this.rows + 0.5);
    context.lineTo(this.width, this.rows + 0.5);
    context.stroke();
    context.textAlign = "right";
    context.textBaseline = "middle";
    let bottom = -Infinity;
    for (const [name, first, last, colour] of bands) {
      const [top, end] = [first * this.rows, last * this.rows];
      if (top > 1) {
        context.strokeStyle = line;
        context.beginPath();
        context.moveTo(GUTTER - 4, Math.round(top) + 0.5);
        context.lineTo(GUTTER, Math.round(top) + 0.5);
        context.stroke();
      }
      const middle = Math.min(Math.max((top + end) / 2, 6), this.rows - 5);
      if (middle - bottom < 11) continue;
      bottom = middle;
      context.fillStyle = colour ?? ink;
      context.fillText(name, GUTTER - 7, middle);
    }
  }
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((k) => k * power).find((step) => step >= least - 1e-12);
}

/** A round number, Hz, that hardly any rate is above. */
function topOf(rates) {
  const sorted = rates.flatMap((r) => [...r.filter((_, b) => b % 7 === 0).map(Math.abs)]).sort((a, b) => a - b);
  return niceStep(Math.max(sorted[Math.floor(0.995 * (sorted.length - 1))] ?? 1, 0.5));
}

/** Bands of neighbours that share a name: [name, first, last]; sizes in any unit. */
function bandsOf(names, sizes) {
  const total = Math.max(sizes.reduce((a, b) => a + b, 0), 1e-9);
  const bands = [];
  let at = 0;
  names.forEach((name, k) => {
    if (sizes[k] === 0) return;
    const end = at + sizes[k] / total;
    const last = bands[bands.length - 1];
    if (last && last[0] === name) last[2] = end;
    else bands.push([name, at, end]);
    at = end;
  });
  return bands;
}

export class Raster extends Timeline {
  constructor(element, app) {
    super(element, app, "Spikes");
  }

  /** Rows: all shown neurons by area and layer; of a picked area by layer. */
  arrange() {
    const { population, state } = this.app;
    const picked = population.pickedCode(state.get("picked"));
    const member = this.app.selected();
    if (this.key === this.app.selectedKey) return;
    this.key = this.app.selectedKey;
    const facet = picked < 0 ? 0 : population.second;
    const sizes = population.facets[facet].values.map(() => 0);
    for (let i = 0; i < population.n; i++) if (member[i]) sizes[population.code(i, facet)]++;
    this.count = sizes.reduce((a, b) => a + b, 0);
    const n = this.app.spikes.awaits ? 0 : population.n; // without spikes nobody needs a row
    this.rowOf = new Int32Array(n).fill(-1);
    this.at = new Uint32Array(n && this.count);
    if (n) {
      const rank = population.rank();
      const sorted = new Uint32Array(n);
      for (let i = 0; i < n; i++) sorted[rank[i]] = i;
      let row = 0;
      for (const i of sorted)
        if (member[i]) {
          this.at[row] = i;
          this.rowOf[i] = row++;
        }
    }
    const values = population.facets[facet].values;
    this.bands = bandsOf(values.map((v) => v.group ?? v.name), sizes);
    this.fine = bandsOf(values.map((v) => v.name), sizes);
    const what = population.facets[facet].title.toLowerCase();
    const other = population.facets[population.second]?.title.toLowerCase();
    this.title.textContent =
      picked < 0
        ? `Spikes · by ${what}${other && other !== what ? ` and ${other}` : ""}`
        : `Spikes · ${state.get("picked")} by ${what}`;
  }

  paint(context) {
    this.arrange();
    const { population, spikes } = this.app;
    const [from, to] = this.span;
    const W = Math.round((this.width - GUTTER) * this.ratio);
    const H = Math.round(this.rows * this.ratio);
    const image = context.createImageData(W, H);
    const pixels = new Uint32Array(image.data.buffer);
    const colourOf = this.app.colourer();
    let visible = 0;
    spikes.within(from, to, (_, neuron, begin, end) => {
      for (let k = begin; k < end; k++) if (this.rowOf[neuron[k]] >= 0) visible++;
    });
    const sparse = visible < (W * H) / 60; // few spikes are drawn larger
    const tall = Math.max(Math.min(Math.floor((0.7 * H) / Math.max(this.count, 1)), Math.round(6 * this.ratio)), Math.round((sparse ? 2 : 1) * this.ratio));
    const wide = Math.round((sparse ? 1.5 : 1) * this.ratio);
    const scale = W / (to - from);
    const rows = Math.max(this.count, 1);
    const crowd = visible > 0.6 * W * H ? new Uint32Array(W * H) : null;
    spikes.within(from, to, (time, neuron, begin, end) => {
      for (let k = begin; k < end; k++) {
        const row = this.rowOf[neuron[k]];
        if (row < 0) continue;
        const x = Math.floor((time[k] - from) * scale);
        const y = Math.floor(((row + 0.5) / rows) * H - tall / 2);
        const colour = colourOf(neuron[k]);
        if (crowd) {
          const at = Math.max(y, 0) * W + Math.min(x, W - 1);
          pixels[at] = colour;
          crowd[at]++;
          continue;
        }
        for (let b = Math.max(y, 0); b < Math.min(y + tall, H); b++)
          for (let a = x; a < Math.min(x + wide, W); a++) pixels[b * W + a] = colour;
      }
    });
    if (crowd) {
      // more spikes than pixels: the more fall on one, the stronger its colour
      let [sum, used] = [0, 0];
      for (const count of crowd) if (count) [sum, used] = [sum + count, used + 1];
      const full = (2.2 * sum) / Math.max(used, 1);
      for (let p = 0; p < pixels.length; p++)
        if (crowd[p]) image.data[4 * p + 3] = 255 * Math.min(0.12 + (0.88 * crowd[p]) / full, 1);
    }
    context.putImageData(image, Math.round(GUTTER * this.ratio), 0);
    this.frame(context, this.bands);
    const chosen = this.rowOf[this.app.state.get("neuron")] ?? -1;
    if (chosen >= 0) {
      const y = ((chosen + 0.5) / rows) * this.rows;
      context.fillStyle = this.theme.accent;
      context.beginPath();
      context.moveTo(GUTTER, y);
      context.lineTo(GUTTER - 7, y - 4);
      context.lineTo(GUTTER - 7, y + 4);
      context.fill();
      context.globalAlpha = 0.35;
      context.fillRect(GUTTER, y - 0.5, this.width - GUTTER, 1);
      context.globalAlpha = 1;
    }
    if (spikes.total === 0) {
      const waiting = spikes.awaits ? "Not run yet" : spikes.expected > 0 ? "Reading spikes …" : spikes.running ? "No spike yet" : "Nothing spiked in this run";
      this.empty(context, waiting);
    }
  }

  empty(context, text) {
    context.fillStyle = this.theme.faint;
    context.textAlign = "center";
    context.fillText(text, (GUTTER + this.width) / 2, this.rows / 2);
  }

  hover(x, y) {
    if (!this.rowOf || y > this.rows || !this.count) return null;
    if (x < GUTTER) {
      const band = this.fine.find(([, a, b]) => y / this.rows >= a && y / this.rows < b);
      return band && this.app.describeValue(band[0]);
    }
    if (this.at.length === 0) return null;
    const row = Math.min(Math.floor((y / this.rows) * this.count), this.count - 1);
    const i = this.at[row];
    const { population } = this.app;
    const words = population.facets.slice(0, 3).map((_, f) => population.value(i, f).name);
    return html`<b>${words.join(" · ")}</b><br>${this.timeAt(x).toFixed(1)} ms`;
  }

  choose(y) {
    if (!this.fine || this.app.population.pickedCode(this.app.state.get("picked")) >= 0) {
      this.app.state.set({ picked: "" });
      return;
    }
    const band = this.fine.find(([, a, b]) => y / this.rows >= a && y / this.rows < b);
    if (band) this.app.state.set({ picked: band[0] });
  }
}

export class Heat extends Timeline {
  constructor(element, app) {
    super(element, app, "Rate");
  }

  /** Mean rate of every value of the first facet, Hz a neuron, in bins of `bin` ms. */
  compute() {
    const { population, spikes } = this.app;
    const member = this.app.member();
    const key = [spikes.version, this.app.memberKey].join();
    if (this.key === key) return;
    this.key = key;
    const values = population.facets[0].values;
    const duration = spikes.duration;
    this.bin = Math.max(1, duration / 8000);
    const bins = Math.max(Math.ceil(duration / this.bin - 1e-6), 1);
    const counts = values.map(() => new Float64Array(bins));
    const sizes = values.map(() => 0);
    for (let i = 0; i < population.n; i++) if (member[i]) sizes[population.code(i, 0)]++;
    spikes.within(-1, Infinity, (time, neuron, begin, end) => {
      for (let s = begin; s < end; s++)
        if (member[neuron[s]])
          counts[population.code(neuron[s], 0)][Math.min(Math.floor(time[s] / this.bin), bins - 1)]++;
    });
    this.shown = values.map((_, v) => v).filter((v) => sizes[v] > 0);
    this.sizes = sizes;
    // smoothed over what few neurons need to be more than dots
    const total = population.n / Math.max(this.shown.length, 1);
    this.width_ms = Math.max(this.bin, total < 1000 ? 8 : 3);
    this.rates = this.shown.map((v) => {
      const hz = counts[v].map((c) => (1000 * c) / (this.bin * sizes[v]));
      return smooth(hz, this.width_ms / this.bin);
    });
    this.most = topOf(this.rates);
  }

  /** The top of the scale; beside another run's that of both, so that equal colours are equal rates. */
  both() {
    const { beside } = this;
    if (!beside) return this.most;
    beside.compute();
    const top = Math.max(this.most, beside.most);
    if (beside.common !== top) beside.stale = true; // it draws itself anew
    return (this.common = top);
  }

  /** The same less that of the run beside this one, of what both have. */
  lessOther() {
    const { heat } = this.app.other;
    heat.compute();
    if (this.lessKey !== [this.key, heat.key].join()) {
      this.lessKey = [this.key, heat.key].join();
      const [own, theirs] = [this, heat].map(({ app }) => app.population.primary.values);
      const rows = new Map(heat.shown.map((v, r) => [theirs[v].name, heat.rates[r]]));
      this.less = this.rates.map((rates, r) => {
        const other = rows.get(own[this.shown[r]].name) ?? rates;
        return rates.map((hz, b) => hz - (other[Math.floor((b * this.bin) / heat.bin)] ?? hz));
      });
      this.mostLess = topOf(this.less);
    }
    return this.less;
  }

  paint(context) {
    this.compute();
    const { population, state } = this.app;
    const differs = this.app.colourKey() === "difference";
    this.drawn = differs ? this.lessOther() : this.rates;
    this.top = differs ? this.mostLess : this.both();
    const [from, to] = this.span;
    const values = population.facets[0].values;
    const rows = Math.max(this.shown.length, 1);
    const W = Math.max(Math.round(this.width - GUTTER), 1);
    const image = new ImageData(W, rows);
    const map = differs ? (this.theme.dark ? CALM : CALM_LIGHT) : this.theme.dark ? MAGMA : EMBERS;
    const table = Array.from({ length: 256 }, (_, k) => map(k / 255));
    const reached = Math.min(this.app.spikes.reached, differs ? this.app.other.spikes.reached : Infinity);
    this.shown.forEach((v, r) => {
      for (let x = 0; x < W; x++) {
        const first = Math.floor((from + (x / W) * (to - from)) / this.bin);
        const last = Math.max(Math.floor((from + ((x + 1) / W) * (to - from)) / this.bin), first + 1);
        if (first * this.bin > reached) break; // not simulated yet
        let peak = 0;
        for (let b = first; b < Math.min(last, this.drawn[r].length); b++) if (Math.abs(this.drawn[r][b]) > Math.abs(peak)) peak = this.drawn[r][b];
        const part = differs ? 0.5 + (0.5 * peak) / this.top : peak / this.top;
        const colour = table[Math.min(Math.max(Math.round(255 * part), 0), 255)];
        image.data.set([...colour, 255], 4 * (r * W + x));
      }
    });
    const small = new OffscreenCanvas(W, rows);
    small.getContext("2d").putImageData(image, 0, 0);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, GUTTER, 0, this.width - GUTTER, this.rows);
    const bands = bandsOf(this.shown.map((v) => values[v].group ?? values[v].name), this.shown.map(() => 1));
    const picked = this.shown.indexOf(population.pickedCode(state.get("picked")));
    if (picked >= 0) {
      context.strokeStyle = this.theme.accent;
      context.lineWidth = 1.5;
      const y = (picked / rows) * this.rows;
      context.strokeRect(GUTTER, y - 0.5, this.width - GUTTER - 1, this.rows / rows + 1);
    }
    this.frame(context, bands);
    const what = population.facets[0].title.toLowerCase();
    if (this.app.spikes.awaits) {
      this.title.textContent = `Rate by ${what}`;
      return;
    }
    const ramp = [0, 0.2, 0.4, 0.6, 0.8, 1].map((x) => css(map(x))).join();
    put(
      this.title,
      html`Rate by ${what}${differs ? ", difference" : ""} <span class="scale" title="Spikes a second and neuron, smoothed with a Gaussian whose standard deviation is ${+this.width_ms.toFixed(1)} ms"><i data-css="background:linear-gradient(90deg,${ramp})"></i>${""
      }${differs ? `±${this.top} Hz` : `0–${this.top} Hz a neuron`}${this.width < WIDE ? "" : `, smoothed over ${+this.width_ms.toFixed(1)} ms`}</span>`,
    );
  }

  rowAt(y) {
    return Math.min(Math.max(Math.floor((y / this.rows) * this.shown.length), 0), this.shown.length - 1);
  }

  hover(x, y) {
    if (!this.shown?.length || y > this.rows) return null;
    const r = this.rowAt(y);
    const value = this.app.population.facets[0].values[this.shown[r]];
    if (x < GUTTER) return this.app.describeValue(value.name);
    if (this.app.spikes.awaits) return this.app.describeValue(value.name);
    const t = this.timeAt(x);
    const rate = this.drawn[r][Math.min(Math.floor(t / this.bin), this.drawn[r].length - 1)] ?? 0;
    return html`<b>${value.name}</b> ${value.title === value.name ? "" : value.title}<br>${t.toFixed(1)} ms · ${rate.toFixed(1)} Hz <small>n = ${this.sizes[this.shown[r]].toLocaleString()}</small>`;
  }

  choose(y) {
    if (!this.shown?.length) return;
    const { name } = this.app.population.facets[0].values[this.shown[this.rowAt(y)]];
    this.app.state.set({ picked: this.app.state.get("picked") === name ? "" : name });
  }
}

export const packed = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;
