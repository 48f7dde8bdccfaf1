// The page: reads the data, and connects the picture, the plots and the controls to one state.

import "uplot/dist/uPlot.min.css";
import "./viewer.css";
import { Asked } from "./asked.js";
import { Cloud } from "./cloud.js";
import { ColumnView } from "./column_view.js";
import { CortexView } from "./cortex_view.js";
import { CutPanel } from "./cut.js";
import { Detail } from "./detail.js";
import { Grown } from "./grown.js";
import { host } from "./host.js";
import { listenToKeys, KEYS } from "./keys.js";
import { Lasso } from "./lasso.js";
import { Legend } from "./legend.js";
import { html, put } from "./markup.js";
import { NeuronView } from "./neuron_view.js";
import { offerPhoto, photo } from "./photo.js";
import { Population } from "./population.js";
import { quantity } from "./quantities.js";
import { nodeSet, nodeSetText } from "./selection.js";
import { study } from "./study.js";
import { fetchPacked, received } from "./source.js";
import { welch } from "./spectrum.js";
import { Space } from "./space.js";
import { Spikes } from "./spikes.js";
import { CONTEXT, Stage } from "./stage.js";
import { figure, Film } from "./studio.js";
import { Heat, Raster } from "./timeline.js";
import { Transport } from "./transport.js";
import { Wires } from "./wires.js";

const POLL = 1000; // ms between looks at a run that goes on
const REFRESH = 700; // ms between drawings of plots while spikes arrive
const $ = (id) => document.getElementById(id);

class App extends Asked {
  // --- what the user does -----------------------------------------------------------------------

  seek(t) {
    this.state.set({ t: Math.min(Math.max(t, 0), this.spikes.duration) });
  }

  step(by) {
    this.state.set({ playing: false });
    this.seek(this.state.get("t") + by);
  }

  toggle() {
    const playing = !this.state.get("playing");
    const end = this.spikes.live ? Infinity : this.spikes.duration;
    if (playing && this.state.get("t") >= end - 1e-6) this.state.set({ t: 0 });
    this.state.set({ playing });
    this.last = performance.now();
  }

  // --- drawing ------------------------------------------------------------------------------------

  start() {
    const { state } = this;
    this.stage = new Stage($("canvas"), state);
    this.cloud = new Cloud(this.population);
    this.space = new Space(this);
    this.wires = new Wires(this);
    this.grown = new Grown(this);
    this.cortex = new CortexView(this.stage, this.cloud, this);
    this.column = new ColumnView(this.stage, this);
    this.neuronView = new NeuronView(this.stage, this);
    this.cloud.feed(this.spikes);
    this.paint();
    this.legend = new Legend($("legend"), this);
    this.transport = new Transport($("transport"), this);
    this.cutPanel = new CutPanel($("cut"), this);
    this.lasso = new Lasso(this);
    this.raster = new Raster($("raster"), this);
    this.heat = new Heat($("heat"), this);
    this.detail = new Detail($("detail"), this);
    state.on(["colour", "allen", "hidden", "theme", "picked", "view", "slice", "at", "thick", "peel", "outline", "names", "lasso", "rates"], () => this.paint());
    this.wires.changed();
    state.on(["t"], () => (this.stage.stale = true));
    state.on(["neuron"], () => (this.stage.stale = true));
    state.on(["view"], () => this.enter());
    document.querySelector("nav").addEventListener("click", (event) => {
      const { view } = event.target.dataset;
      if (view) this.go(view);
    });
    for (const button of document.querySelectorAll(".drawer")) button.addEventListener("click", () => this.open(button.dataset.drawer));
    $("canvas").addEventListener("pointerdown", () => this.open(""));
    $("theme").addEventListener("click", () => state.set({ theme: this.dark() ? "light" : "dark" }));
    $("camera").addEventListener("click", () => this.photograph());
    $("help").addEventListener("click", () => this.help());
    put($("keys"), KEYS);
    $("keys").addEventListener("click", () => $("keys").close());
    listenToKeys(this);
    this.listenToCanvas();
    // not "hashchange": that comes a task later, and between a timer of the state's would write the old view over the new address
    addEventListener("popstate", () => {
      if (this.studio) return; // it goes back to where it was asked for
      const { stage } = this;
      stage.stop();
      const [view, from] = [stage.view, stage.pose()];
      state.fromHash(location.hash);
      if (stage.flight) return; // out of the neuron
      stage.place();
      if (stage.view === view) stage.flyFrom(from);
    });
    host?.follow(this, () => JSON.parse(nodeSetText(this.nodeSet())));
    this.everyone = this.gather();
    this.filled = Promise.all([this.everyone, new Promise((done) => (this.allThere = done))]);
    this.enter();
    this.head();
    this.fill();
    requestAnimationFrame((now) => this.frame(now));
  }

  enter() {
    const name = { cortex: "cortex", column: "column", neuron: "neuron" }[this.state.get("view")] ?? "cortex";
    const view = { cortex: this.cortex, column: this.column, neuron: this.neuronView }[name];
    for (const tab of document.querySelectorAll("nav [role=tab]")) tab.setAttribute("aria-selected", tab.dataset.view === name);
    document.body.dataset.view = name;
    this.tip(null);
    this.notice("");
    const out = this.stage.view === this.neuronView && !this.studio;
    this.stage.enter(name, view);
    if (name === "cortex") {
      this.presets();
      const near = out && this.cortex.closeUp();
      if (near) this.stage.flyFrom(near);
    }
    this.detail.neuronChanged();
  }

  /** Go to a view; from the cortex into the chosen neuron one flies. */
  async go(view) {
    const { stage, state } = this;
    const near = view === "neuron" && stage.view === this.cortex && this.cortex.closeUp();
    if (near) {
      if (this.diving) return; // on the way: asked for twice
      const from = stage.pose();
      stage.put(near);
      this.diving = true;
      const there = await stage.flyFrom(from);
      this.diving = false;
      if (!there) return;
      stage.put(from); // to which one comes back
    }
    state.set({ view });
  }

  /** In narrow windows the panels lie over the stage, one at a time; again closes it. */
  open(name) {
    const { dataset } = document.body;
    dataset.drawer = dataset.drawer === name ? "" : name;
    for (const button of document.querySelectorAll(".drawer")) button.setAttribute("aria-expanded", dataset.drawer === button.dataset.drawer);
  }

  presets() {
    const sides = [["home", "3-D"], ["top", "Top"], ["side", "Side"], ["front", "Front"]];
    put($("presets"), html`${sides.map(([key, title]) => html`<button data-home="${key}">${title}</button>`)}<span id="lasso"></span>`);
    this.lasso.render();
    for (const button of $("presets").querySelectorAll("[data-home]")) button.addEventListener("click", () => this.stage.home(button.dataset.home));
  }

  /** Colours, filters and selection to the shaders. */
  paint() {
    const { population, state, cloud } = this;
    const dark = this.dark();
    const shown = population.shownValues(state.get("hidden"));
    const rows = population.facets.map((f, k) =>
      population.colours(f, { allen: state.get("allen"), dark }).map((c, v) => [...c, shown[k][v] ? 255 : 0]),
    );
    while (rows.length < 4) rows.push([[255, 255, 255, 255]]);
    const { shade, colour } = this.scale();
    rows.push(Array.from({ length: 256 }, (_, k) => [...colour(k / 255), 255]));
    const facet = population.facets.findIndex((f) => f.key === this.colourKey());
    const shades = facet < 0 ? new Uint8Array(population.n) : null;
    for (let i = 0; shades && i < population.n; i++) shades[i] = 255 * shade(i);
    cloud.paint(rows, shades);
    cloud.dark(dark);
    cloud.uniforms.colourBy.value = facet < 0 ? 4 : facet;
    cloud.uniforms.picked.value = population.pickedCode(state.get("picked"));
    const marks = [this.lassoed(), this.rateRange() && this.member()];
    if (marks.some((mark, k) => mark !== (this.marked?.[k] ?? null))) cloud.mark(...(this.marked = marks));
    cloud.uniforms.background.value.fromArray(this.background());
    const { axis, first, last } = this.cut();
    cloud.cut(axis, [first, last], state.get("peel"));
    this.space.paint();
    this.stage?.view?.repaint?.();
  }

  frame(now) {
    if (this.studio) return; // a figure or film has the stage
    this.loop = requestAnimationFrame((next) => this.frame(next));
    if (this.state.get("playing") && !this.led) { // beside another run one of the two has the clock
      const passed = Math.min(now - (this.last ?? now), 250);
      const end = this.spikes.live ? Math.max(this.spikes.reached, this.state.get("t")) : this.spikes.duration;
      const t = Math.min(this.state.get("t") + (passed / 1000) * this.speed(), end);
      this.state.set({ t });
      if (t >= this.spikes.duration && !this.spikes.live) this.state.set({ playing: false });
    }
    this.last = now;
    const drew = this.stage.frame();
    if (drew) this.compass();
    // the picture moves on under a pointer that rests
    if (this.asking && now - this.told > (drew ? 100 : 500)) this.tell();
    this.transport.draw();
    this.raster.draw();
    this.heat.draw();
    this.detail.draw();
    if (!this.ready) {
      this.ready = true;
      document.body.dataset.ready = "true";
      this.firstPicture = performance.now();
      this.space.load();
      // so that hovering can name them, and branches grow
      setTimeout(() => this.loadModels().then(() => this.stage.view.repaint?.(), (error) => this.notice(`Cell models could not be read: ${error.message}`)), 500);
    }
  }

  /** Which way is up, front, left: letters around the axes of the atlas. */
  compass() {
    const box = $("compass");
    box.hidden = document.body.dataset.view !== "cortex" || this.population.head.frame !== "ccf";
    if (box.hidden) return;
    const e = this.stage.camera.matrixWorldInverse.elements;
    const axes = [[1, 0, 0, "R"], [-1, 0, 0, "L"], [0, 1, 0, "D"], [0, -1, 0, "V"], [0, 0, -1, "A"], [0, 0, 1, "P"]];
    const R = 22;
    const lines = axes
      .map(([x, y, z, name]) => {
        const [a, b, c] = [0, 1, 2].map((k) => e[k] * x + e[4 + k] * y + e[8 + k] * z);
        return { name, a: 30 + R * a, b: 30 - R * b, c, main: "RDA".includes(name) };
      })
      .sort((p, q) => p.c - q.c);
    put(box, html`<svg width="60" height="60">${lines
      .map(({ name, a, b, c, main }) => html`${main ? html`<line x1="30" y1="30" x2="${a.toFixed(1)}" y2="${b.toFixed(1)}"/>` : ""}<text x="${a.toFixed(1)}" y="${(b + 3).toFixed(1)}" opacity="${(0.6 + 0.4 * c).toFixed(2)}">${name}</text>`)}</svg>`);
  }

  head() {
    const { head } = this.population;
    if (head.frame !== "ccf") {
      document.querySelector("nav [data-view=cortex]").textContent = "Network";
      document.querySelector("nav [data-view=column]").textContent = this.state.defaults.view === "column" ? "Branches" : "Column";
    }
    $("title").textContent = head.title || "Isocortex";
    $("title").title = head.folder ?? "";
    document.title = `${head.title || "Isocortex"} · Isocortex`;
    const { spikes } = this;
    const run = spikes.awaits ? "" : ` · ${+spikes.duration.toFixed(1)} ms · ${spikes.expected.toLocaleString()} spikes`;
    const { n, total } = this.population;
    $("facts").textContent = `${total.toLocaleString()} neurons${run}`;
    const part = (of, all) => `${Math.floor((100 * of) / all)} %`;
    if (n < total) this.waiting(`reading neurons: ${part(n, total)}`);
    else this.waiting(spikes.awaits ? "not run yet" : spikes.total < spikes.expected ? `reading spikes: ${part(spikes.total, spikes.expected)}` : "");
    const live = $("live");
    live.textContent = spikes.running && spikes.live ? `running: ${spikes.reached.toFixed(0)} of ${spikes.duration.toFixed(0)} ms` : "";
  }

  /** Fetch the neurons that the first picture did not wait for. */
  async gather() {
    const { population, state } = this;
    const asked = new URLSearchParams(this.address.replace("#", "")).get("neuron");
    try {
      for (let k = 1; k < population.head.parts; k++) {
        population.take((await fetchPacked(`somas/${k}`)).arrays);
        this.cloud.grow();
        this.paint();
        this.refresh();
      }
    } catch (error) {
      this.notice(`Not all neurons could be read: ${error.message}`);
    }
    if (population.head.parts === 1) return;
    if (this.column.active) this.column.ready = this.column.show();
    host?.changed(); // a selection may be of more neurons now
    // a link may hold one that was not there yet
    if (asked && state.get("neuron") < 0) state.set({ neuron: population.find(asked), camera: state.get("camera"), probe: state.get("probe") }, { step: false });
  }

  /** Fetch spikes chunk by chunk, and go on looking while the run goes on. */
  async fill() {
    let told = performance.now();
    let news = false;
    try {
      for (;;) {
        while (await this.spikes.more()) {
          this.cloud.feed(this.spikes);
          this.stage.stale = news = true;
          if (performance.now() - told > REFRESH) {
            this.refresh();
            told = performance.now();
          }
        }
        if (news || !this.whole) this.refresh();
        if (this.whole !== this.spikes.epoch) this.detail.neuronChanged();
        this.whole = this.spikes.epoch;
        document.body.dataset.spikes = "all";
        this.allThere();
        news = false;
        if (!this.spikes.live) return;
        await new Promise((done) => setTimeout(done, POLL));
        news = await this.spikes.look();
        this.cloud.feed(this.spikes);
      }
    } catch {
      $("live").textContent = "the server is gone; what was read stays";
    }
  }

  /** There are new spikes: whatever is computed from them is drawn again. */
  refresh() {
    this.spikes.version++;
    this.raster.stale = this.heat.stale = this.stage.stale = true;
    if (!this.colourTable() || this.rateRange()) this.paint();
    if (this.colourKey() === "difference") this.legend.render(); // its scale follows
    if (this.rateRange()) host?.changed();
    this.head();
    this.transport.render();
  }

  photograph() {
    offerPhoto($("photo"), this);
  }

  help() {
    $("keys").showModal();
  }

  listenToCanvas() {
    const canvas = $("canvas");
    let down = null;
    let [waiting, within] = [false, false];
    canvas.addEventListener("pointerdown", (event) => {
      down = [event.clientX, event.clientY];
      this.tip(null);
    });
    canvas.addEventListener("pointerup", (event) => {
      const still = down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 4;
      down = null;
      if (!still || event.button !== 0) return;
      if (this.stage.view === this.neuronView) return this.neuronView.press(event.offsetX, event.offsetY);
      const number = this.stage.view.pick(event.offsetX, event.offsetY);
      if (number >= 0) this.choose(number);
      else if (this.stage.name === "cortex") this.state.set({ picked: "", neuron: -1 });
    });
    canvas.addEventListener("dblclick", (event) => {
      if (this.stage.view.pick(event.offsetX, event.offsetY) >= 0) this.go("neuron");
    });
    canvas.addEventListener("pointermove", (event) => {
      within = true;
      if (down || waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        if (!down && within) this.tip(() => this.under(event.offsetX, event.offsetY), event);
      });
    });
    canvas.addEventListener("pointerleave", () => {
      within = false;
      this.tip(null);
    });
  }

  /** What lies under a point of the picture, in words. */
  under(x, y) {
    if (this.stage.view.hover) return this.stage.view.hover(x, y);
    const number = this.stage.view.pick(x, y);
    return number >= 0 ? this.describeNeuron(number) : null;
  }

  /** A neuron was clicked or found: it and its area are selected, and its side is that of the column. */
  choose(number) {
    const { population, state } = this;
    const whole = this.stage.name === "cortex" && !state.get("lasso"); // a loop that was drawn stays what it is
    const { sided } = population;
    state.set({
      neuron: number,
      ...(whole ? { picked: population.value(number, 0).name } : {}),
      ...(whole && sided >= 0 ? { side: population.value(number, sided).name } : {}),
    });
  }

  /** Have one of some neurons in the picture of the cortex: unless one is, the camera goes to the nearest. */
  bring(numbers) {
    const { stage, cloud } = this;
    if (stage.view !== this.cortex || numbers.length === 0) return;
    const from = stage.pose();
    const places = numbers.map((number) => cloud.worldOf(number));
    const seen = ([x, y, before]) => before && x > 0 && y > 0 && x < stage.width && y < stage.height;
    if (places.some((place) => seen(stage.project(place)))) return;
    const away = places.map((place) => place.distanceTo(from.target));
    const target = places[away.indexOf(Math.min(...away))];
    stage.put({ target, eye: target.clone().add(from.eye).sub(from.target) });
    stage.keep();
    stage.flyFrom(from);
  }
}

function withoutPicture(error) {
  document.body.dataset.ready = "failed";
  $("notice").hidden = false;
  put($("notice"), html`<b>This browser shows no WebGL 2.</b> Turn on hardware acceleration, or use a current Firefox, Chrome,
    Edge or Safari. Without it there are the still pictures: <code>isocortex view RESULTS --figure cortex.png</code>,
    <code>--movie cortex.mp4</code> and <code>isocortex plot raster RESULTS</code>.<br><small>${error?.message}</small>`);
}

async function main() {
  const begun = performance.now();
  if (!$("canvas").getContext("webgl2", CONTEXT)) return withoutPicture(); // the one that is drawn with: making it takes long
  try {
    const spikes = new Spikes();
    const address = host ? host.ask("address") : location.hash;
    const [scene, first] = await Promise.all([fetchPacked("scene"), address, spikes.look()]);
    const app = new App(new Population(scene), spikes, first);
    window.isocortex = { app, welch, received, begun, nodeSet, nodeSetText, quantity, photo, study, figure, Film };
    app.start();
  } catch (error) {
    console.error(error);
    document.body.dataset.ready = "failed";
    $("notice").hidden = false;
    $("notice").textContent = `The viewer could not start: ${error.message}`;
  }
}

main();
