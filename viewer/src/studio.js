// Figures and films: what an address shows, drawn by the renderer of the page, composed on a canvas.

import * as THREE from "three";
import { between, ease } from "./flight.js";
import { css, theme } from "./palettes.js";
import { captionLines, colours, fonts, label, layFoot, overlays, PRINT, withFacts } from "./photo.js";

const WIDE = 960; // px of the page, a figure; its letters are then of six points
const GAP = 14;
const EDGE = 8; // beside the raster
const HIGH = 310; // of its panels
const SHARES = [0.42, 0.32, 0.26]; // of three panels: a cortex is wide, a neuron high
const SCREEN = 4 / 3; // shape of the stage in which a camera was chosen: of narrower ones it stands back
const FILM = { wide: 1280, high: 720, stage: 588, strip: 92 }; // px of the page
const FADE = 0.6; // s, from one view to the next
const TURN = 0.1; // radians a second, of a neuron
const MOVING = ["at", "thick", "peel"]; // numbers that go from one address to the next

/** The stage takes a size of its own, with `ratio` pixels to one of the page; the plots follow. */
function size(app, width, height, ratio) {
  const { body } = document;
  body.classList.add("studio");
  body.dataset.ratio = ratio;
  body.style.setProperty("--wide", `${width}px`);
  body.style.setProperty("--high", `${height}px`);
  app.studio = app.state.still = true; // nothing else draws
  app.stage.resize();
}

/** Back to the page as it was. */
function leave(app, address) {
  const { body } = document;
  body.classList.remove("studio", "panels");
  delete body.dataset.ratio;
  app.studio = false;
  app.state.fromHash(address);
  app.state.still = false;
  app.stage.resize();
  app.stage.place();
  app.raster.stale = app.heat.stale = app.detail.stale = true;
  cancelAnimationFrame(app.loop);
  app.frame(performance.now());
}

/** Go where an address leads, and wait until all of it is there. */
async function see(app, address) {
  const { state, stage } = app;
  await app.filled;
  stage.cameras = {}; // of addresses before
  state.fromHash(address);
  if (state.get("view") === "neuron" && state.get("neuron") < 0 && app.population.recorded.length)
    state.set({ neuron: app.liveliest() }, { step: false });
  await Promise.all([app.space.load(), app.loadModels(), stage.view.ready]);
  stage.place();
  if (state.get("camera") && stage.camera.aspect < SCREEN) {
    const { position } = stage.camera;
    position.sub(stage.controls.target).multiplyScalar(SCREEN / stage.camera.aspect).add(stage.controls.target);
  }
}

/** The stage with its names, bars and colours, as a canvas. */
function shot(app, ratio) {
  const { stage } = app;
  const canvas = stage.snapshot(ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (stage.name === "cortex") app.compass();
  overlays(pen, app);
  return canvas;
}

/** The raster with its time axis, drawn at once. */
function strip(app, width, height) {
  const { body } = document;
  body.style.setProperty("--strip-wide", `${width}px`);
  body.style.setProperty("--strip-high", `${height}px`);
  app.raster.stale = true;
  app.raster.draw();
  return app.raster;
}

const where = (address) => new URLSearchParams(address.replace(/^[^#]*#/, ""));

/** `address` with other words in it. */
function other(address, words) {
  const all = where(address);
  for (const [key, value] of Object.entries(words)) value === null ? all.delete(key) : all.set(key, value);
  return all.toString();
}

/** Addresses that tell no time show that of the first. */
function atOneTime(addresses) {
  const t = where(addresses[0]).get("t");
  return addresses.map((address) => other(address, t === null || where(address).has("t") ? {} : { t }));
}

/** Cortex, column and neuron as far as the circuit has them, at one moment: a spike of the neuron. */
async function panelsOf(app, address) {
  await app.filled;
  await app.loadModels();
  const { population, state } = app;
  state.fromHash(where(address).toString());
  const asked = where(address);
  let neuron = state.get("neuron");
  if (neuron < 0 && population.recorded.length) neuron = app.liveliest();
  const branches = neuron >= 0 && app.model(neuron) !== null;
  const words = {};
  if (neuron >= 0 && !asked.has("t")) words.t = [...app.spikeTimes(neuron)].find((t) => t > app.since()) ?? app.spikeTimes(neuron)[0] ?? 0;
  const view = state.get("view");
  const camera = (name) => (name === view ? {} : { camera: null });
  if (branches) words.neuron = population.name(neuron);
  const panels = [{ ...words, view: "cortex", ...camera("cortex") }];
  const mine = neuron >= 0 ? { picked: population.value(neuron, 0).name, ...(population.sided >= 0 ? { side: population.value(neuron, population.sided).name } : {}) } : {};
  if (population.branched) panels.push({ ...words, ...(asked.has("picked") ? {} : mine), view: "column", ...camera("column") });
  if (branches) panels.push({ ...words, view: "neuron", ...camera("neuron") });
  return panels.map((panel) => other(address, panel));
}

/**
 * A figure of 180 mm at 300 dpi as a PNG: a panel for every address; of one or none, cortex, column and neuron.
 *
 * @param {{addresses?: string[], page?: string}} what `page` is dark or light
 */
export async function figure(app, { addresses = [], page = "" }) {
  const ratio = ((PRINT.mm / 25.4) * PRINT.dpi) / WIDE;
  const before = app.state.toHash();
  size(app, WIDE, HIGH, ratio);
  try {
    let shown = addresses.length > 1 ? atOneTime(addresses) : await panelsOf(app, addresses[0] ?? "");
    if (page) shown = shown.map((address) => other(address, { theme: page }));
    document.body.classList.add("panels");
    const shares = shown.length === SHARES.length ? SHARES : shown.map(() => 1 / shown.length);
    const high = shown.length === 1 ? 1.6 * HIGH : HIGH;
    const panels = [];
    let below = null;
    for (const [k, address] of shown.entries()) {
      const width = Math.floor(shares[k] * (WIDE - (shown.length - 1) * GAP));
      size(app, width, high, ratio);
      await see(app, address);
      turn(app);
      const lines = captionLines(app, { slab: false }); // which its title tells
      panels.push({ width, image: shot(app, ratio), title: title(app), legend: colours(app), lines });
      if (k === 0 && app.spikes.total > 0) below = spikesBelow(app);
    }
    const measure = document.createElement("canvas").getContext("2d");
    const feet = panels.map(({ legend, width }) => layFoot(measure, { legend, lines: [], width: width - GAP, margin: 2 }));
    const foot = Math.max(...feet.map(({ height }) => height));
    const lines = [0, 1].map((k) => together(panels.map((panel) => panel.lines[k])));
    const caption = layFoot(measure, { lines, width: WIDE });
    const top = 26;
    const canvas = document.createElement("canvas");
    const height = top + high + foot + (below ? below.height / ratio : 0) + caption.height;
    [canvas.width, canvas.height] = [Math.round(WIDE * ratio), Math.ceil(height * ratio)];
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = css(theme().background);
    pen.fillRect(0, 0, WIDE, height);
    let x = 0;
    panels.forEach(({ width, image, title: words }, k) => {
      pen.drawImage(image, x, top, width, high);
      heading(pen, panels.length > 1 ? letter(k) : "", words, x + GAP / 2, 18, width - GAP);
      pen.save();
      pen.translate(x + GAP / 2, top + high - 4);
      feet[k].draw(pen);
      pen.restore();
      x += width + GAP;
    });
    if (below) pen.drawImage(below, 0, top + high + foot, WIDE, below.height / ratio);
    pen.translate(0, height - caption.height);
    caption.draw(pen);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    if (!blob) throw new Error("The browser could not draw a picture of this size.");
    const text = [panels.map((p) => p.title).join("; "), ...lines].join("\n");
    return new Blob([withFacts(new Uint8Array(await blob.arrayBuffer()), PRINT.dpi, text)], { type: "image/png" });
  } finally {
    leave(app, before);
  }
}

const letter = (k) => String.fromCharCode(97 + k);

/** What is so in all panels, then what is so in one, with its letter. */
function together(said) {
  const parts = said.map((line) => line.split(" · "));
  const shared = (words) => parts.every((others) => others.includes(words));
  return [...parts[0].filter(shared), ...parts.flatMap((own, k) => own.filter((words) => !shared(words)).map((words) => `${letter(k)}: ${words}`))].join(" · ");
}

/** The raster with its title and the time that is shown, as wide as a figure. */
function spikesBelow(app) {
  const [width, height, above] = [WIDE - GAP - EDGE, 74, 17];
  const { canvas, title: { textContent: words } } = strip(app, width, height);
  const all = document.createElement("canvas");
  const { ratio } = app.stage;
  [all.width, all.height] = [Math.round(WIDE * ratio), Math.ceil((above + height) * ratio)];
  const pen = all.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = css(theme().background);
  pen.fillRect(0, 0, WIDE, above + height);
  pen.fillStyle = theme().faint;
  pen.font = fonts(400, 11);
  pen.fillText(words, EDGE + app.raster.left, 11);
  pen.drawImage(canvas, EDGE, above, width, height);
  cursor(pen, app, EDGE, above, width, height);
  return all;
}

/** Look at a cortex from the side of the chosen neuron, unless a camera was chosen. */
function turn(app) {
  const { state, stage, cortex, cloud, population } = app;
  const number = state.get("neuron");
  if (stage.name !== "cortex" || state.get("camera") || number < 0 || population.head.frame !== "ccf") return;
  cortex.seeFrom(new THREE.Vector3(Math.sign(cloud.worldOf(number).x) * 0.85, 0.72, -0.5).normalize());
}

/** What a panel shows: in the column also how large the slab is. */
function title(app) {
  const slab = document.querySelector("#presets > span")?.textContent.split("·")[1]?.trim();
  return app.stage.name === "column" && slab ? `${label(app)}, ${slab}` : label(app);
}

function heading(pen, letter, words, x, y, width) {
  const { ink } = theme();
  pen.fillStyle = ink;
  pen.font = fonts(700, 15);
  if (letter) pen.fillText(letter, x, y);
  pen.font = fonts(500, 11.5);
  const indent = letter ? 18 : 0;
  pen.fillText(fitted(pen, words, width - indent), x + indent, y);
}

/** As much of a text as has room. */
function fitted(pen, words, width) {
  if (pen.measureText(words).width <= width) return words;
  let end = words.length;
  while (end > 0 && pen.measureText(`${words.slice(0, end)} …`).width > width) end--;
  return `${words.slice(0, end)} …`;
}

/** Where the clock stands in the raster; what is still to come is paler. */
function cursor(pen, app, left, top, width, height) {
  const { raster } = app;
  const [from, to] = raster.span;
  const first = width - (raster.width - raster.left);
  const x = first + ((app.now() - from) / (to - from)) * (width - first);
  const { ink, background } = theme();
  pen.globalAlpha = 0.55;
  pen.fillStyle = css(background);
  pen.fillRect(left + x, top, width - x, raster.rows);
  pen.globalAlpha = 1;
  pen.fillStyle = ink;
  pen.fillRect(left + x - 0.6, top, 1.2, (raster.rows * height) / raster.height);
}

/** A film, frame by frame. */
export class Film {
  /**
   * @param {{addresses?: string[], seconds: number, ratio: number, page?: string}} what
   *   `addresses` follow each other at equal times; without, around the cortex, to an area, its column and a neuron.
   */
  constructor(app, { addresses = [], seconds, ratio, page = "" }) {
    Object.assign(this, { app, seconds, ratio, page });
    this.addresses = addresses;
    this.canvas = document.createElement("canvas");
    this.canvas.width = Math.round(FILM.wide * ratio);
    this.canvas.height = Math.round(FILM.high * ratio);
  }

  async begin() {
    const { app } = this;
    size(app, FILM.wide, FILM.stage, this.ratio);
    await app.filled;
    let keys = this.addresses.map((address, k) => ({ address, at: k / Math.max(this.addresses.length - 1, 1) }));
    if (keys.length === 0) keys = await this.flight();
    if (this.page) keys.forEach((key) => (key.address = other(key.address, { theme: this.page })));
    for (const key of keys) {
      key.timed = where(key.address).has("t");
      await see(app, key.address);
      if (key.camera) app.stage.put(key.camera);
      key.camera = app.stage.pose();
      key.values = structuredClone(app.state.values);
      key.said = title(app);
      key.address = app.state.toHash(); // with the neuron that was chosen
    }
    this.keys = keys;
    this.clock();
    await this.enter(keys[0]);
  }

  /** Simulated time at every key: as its address tells; else on the way from beginning to end. */
  clock() {
    const { app, keys } = this;
    const { from, to } = keys[0].values;
    const ends = [from, to || app.spikes.duration];
    const times = keys.map(({ timed, values }, k) => (timed ? values.t : k === 0 ? ends[0] : k === keys.length - 1 ? ends[1] : null));
    for (const [k, { at }] of keys.entries()) {
      if (times[k] !== null) continue;
      const next = times.findIndex((t, j) => j > k && t !== null);
      times[k] = times[k - 1] + ((at - keys[k - 1].at) / (keys[next].at - keys[k - 1].at)) * (times[next] - times[k - 1]);
    }
    this.times = keys.length === 1 ? ends : times;
    const span = this.times.at(-1) - this.times[0];
    this.speed = Math.max(span / this.seconds, 0.01);
  }

  /** What the file says of itself. */
  words() {
    return [...new Set(this.keys.map(({ said }) => said)), captionLines(this.app)[1]].join("; ");
  }

  timeAt(part) {
    if (this.keys.length === 1) return this.times[0] + part * (this.times[1] - this.times[0]);
    const k = this.segment(part);
    const [a, b] = [this.keys[k], this.keys[k + 1]];
    return this.times[k] + ((part - a.at) / (b.at - a.at)) * (this.times[k + 1] - this.times[k]);
  }

  segment(part) {
    const { keys } = this;
    let k = 0;
    while (k < keys.length - 2 && part >= keys[k + 1].at) k++;
    return k;
  }

  /** Show what a key shows, all of it. */
  async enter(key) {
    this.current = key;
    await see(this.app, other(key.address, { speed: this.speed.toFixed(3) }));
    this.raster = strip(this.app, FILM.wide - 3 * EDGE, FILM.strip); // of its neurons, times and colours
  }

  /** A frame as a JPEG, base64; `part` of the film from 0 to 1. */
  async frame(part) {
    const { app, keys } = this;
    const k = this.segment(part);
    const [a, b] = [keys[k], keys[k + 1] ?? keys[k]];
    const along = b === a ? 0 : (part - a.at) / (b.at - a.at);
    const cut = a.values.view !== b.values.view || a.values.neuron !== b.values.neuron;
    const key = along < 0.5 ? a : b;
    if (key !== this.current) {
      const fades = cut || this.current.values.view !== key.values.view;
      this.left = fades ? { image: this.image, part } : null;
      await this.enter(key);
    }
    const changes = { t: this.timeAt(part) };
    if (!cut && b !== a) {
      const eased = ease(along);
      app.stage.put(between(a.camera, b.camera, eased));
      if (a.values.slice === b.values.slice) for (const name of MOVING) changes[name] = a.values[name] + eased * (b.values[name] - a.values[name]);
    } else {
      app.stage.put(key.camera);
      if (key.values.view === "neuron") app.stage.camera.position.sub(app.stage.controls.target).applyAxisAngle(UP, TURN * this.seconds * (part - (a.at + b.at) / 2)).add(app.stage.controls.target);
      app.stage.camera.lookAt(app.stage.controls.target);
    }
    app.state.set(changes, { step: false });
    this.image = shot(app, this.ratio);
    this.compose(part);
    return this.canvas.toDataURL("image/jpeg", 0.95).split(",")[1];
  }

  compose(part) {
    const { app, canvas, ratio } = this;
    const pen = canvas.getContext("2d");
    const { background, ink, faint } = theme();
    const { wide, high, stage, strip: tall } = FILM;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = css(background);
    pen.fillRect(0, 0, wide, high);
    pen.drawImage(this.image, 0, 0, wide, stage);
    const passed = this.left ? ((part - this.left.part) * this.seconds) / FADE : 1;
    if (passed < 1) {
      pen.globalAlpha = 1 - passed;
      pen.drawImage(this.left.image, 0, 0, wide, stage);
      pen.globalAlpha = 1;
    }
    pen.fillStyle = ink;
    pen.font = fonts(600, 17);
    pen.fillText(fitted(pen, title(app), 760), 22, 34);
    const [, made] = captionLines(app);
    pen.textAlign = "right";
    if (!app.spikes.awaits) {
      pen.font = fonts(500, 22);
      pen.fillText(`${app.now().toFixed(1)} ms`, wide - 22, 38);
    }
    pen.textAlign = "start";
    pen.drawImage(this.raster.canvas, EDGE, stage + 4, wide - 3 * EDGE, tall);
    cursor(pen, app, EDGE, stage + 4, wide - 3 * EDGE, tall);
    pen.font = fonts(400, 11.5);
    pen.fillStyle = faint;
    pen.fillText(fitted(pen, made, wide - 44), 22, high - 12);
  }

  /** Around the cortex, to the area of the neuron that is shown last, its column, and that neuron. */
  async flight() {
    const { app } = this;
    const { population, cortex, stage } = app;
    await see(app, "view=cortex");
    const from = (turn, up) => new THREE.Vector3(Math.sin(turn), up, Math.cos(turn)).normalize();
    const goal = this.goal();
    const turns = population.head.frame === "ccf" ? [-2.2, -0.9].map((x) => (goal?.side === "right" ? -x : x)) : [-0.6, 0.4];
    // from as far as all of the way needs, so that the camera does not pump
    const far = Math.max(...Array.from({ length: 9 }, (_, k) => {
      cortex.seeFrom(from(turns[0] + (k / 8) * (turns[1] - turns[0]), 0.7));
      return stage.camera.position.distanceTo(stage.controls.target);
    }));
    const { center } = app.cloud.sphere;
    const around = (turn) => ({ target: center.clone(), eye: center.clone().addScaledVector(from(turn, 0.7), far) });
    const keys = [{ address: "view=cortex", camera: around(turns[0]) }, { address: "view=cortex", camera: around(turns[1]) }];
    if (goal) keys.push({ address: `view=cortex&picked=${encodeURIComponent(goal.name)}`, camera: goal.camera(far) });
    if (population.branched) keys.push({ address: other("view=column", goal ? { picked: goal.name, ...(goal.side ? { side: goal.side } : {}) } : {}) });
    if (population.whole.length) keys.push({ address: "view=neuron" });
    const times = { 2: [0, 1], 3: [0, 0.5, 1], 4: [0, 0.4, 0.66, 1], 5: [0, 0.36, 0.56, 0.76, 1] }[keys.length];
    return keys.map((key, k) => ({ ...key, at: times[k] }));
  }

  /** The area and side of the recorded neuron; if there is none, of the most active of the large areas. */
  goal() {
    const { app } = this;
    const { population } = app;
    const { center } = app.cloud.sphere;
    const ccf = population.head.frame === "ccf";
    if (population.primary.values.length < 2) return null;
    let [code, side] = [-1, -1]; // to the left
    if (population.whole.length) {
      const neuron = app.liveliest();
      code = population.code(neuron, 0);
      side = Math.sign(app.cloud.worldOf(neuron).x - center.x);
    } else {
      const rates = app.rates();
      const found = population.primary.values.map(() => ({ n: 0, sum: 0 }));
      for (let i = 0; i < population.n; i++) {
        const value = found[population.code(i, 0)];
        value.n++;
        value.sum += rates[i];
      }
      const mean = found.map(({ n, sum }) => (n >= 0.02 * population.n ? sum / n : -1));
      code = mean.indexOf(Math.max(...mean));
    }
    const points = [];
    for (let i = 0; i < population.n; i++)
      if (population.code(i, 0) === code) {
        const at = app.cloud.worldOf(i);
        if (!ccf || side * (at.x - center.x) > 0) points.push(at);
      }
    const middle = points.reduce((sum, p) => sum.add(p), new THREE.Vector3()).divideScalar(points.length);
    const outward = middle.clone().sub(center).normalize();
    const reach = Math.max(...points.map((p) => p.distanceTo(middle)));
    return {
      name: population.primary.values[code].name,
      side: ccf ? (side > 0 ? "right" : "left") : "",
      camera: (far) => ({ target: middle, eye: middle.clone().addScaledVector(outward.setY(Math.max(outward.y, 0.25)).normalize(), Math.min(Math.max(5 * reach, 0.3 * far), far)) }),
    };
  }
}

const UP = new THREE.Vector3(0, 1, 0);
