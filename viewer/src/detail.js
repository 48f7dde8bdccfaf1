// The right panel: rate and spectrum of what is selected, and the chosen neuron.

import { html, put } from "./markup.js";
import { css } from "./palettes.js";
import { Plot } from "./plots.js";
import { quantity } from "./quantities.js";
import { placeOf, recordedWhole } from "./neuron_view.js";
import { present, valuesOf } from "./recorded.js";
import { offer } from "./selection.js";
import { binnedRate, smooth, welch, windowLength } from "./spectrum.js";

const BIN = 2; // ms, of rates and spectra
const MOST_ASKED = 2000; // neurons of an area that are sought in the picture: a fair sample
const COUNTED = 9; // values of a facet with their counts

export class Detail {
  constructor(element, app) {
    this.app = app;
    const what = app.population.primary.title.toLowerCase();
    const places = app.population.head.frame !== "none";
    const asks = `A neuron by its id, ${places ? "or the nearest to a place in µm, " : ""}or ${what} by its name`;
    put(element, html`
      <section id="one" hidden><h2></h2><p class="sub"></p><dl></dl><div class="plots"></div><div class="links"></div><div class="actions"></div></section>
      <section id="many"><h2></h2><p class="sub"></p><dl></dl><details class="counts"><summary>Counts</summary><div></div></details><div class="plots"></div><div class="actions"></div></section>
      <form id="find"><label title="${asks}"><span>Find</span><input name="id" autocomplete="off" list="values" placeholder="${places ? `id, ${what} or x, y, z` : `id or ${what}`}"></label>
      <datalist id="values">${app.population.primary.values.map(({ name, title }) => html`<option value="${name}">${title}</option>`)}</datalist></form>`);
    this.one = element.querySelector("#one");
    this.many = element.querySelector("#many");
    this.rate = new Plot(this.many.querySelector(".plots"), { x: "Time (ms)", y: "Rate (Hz)", app, zero: true, height: 116 });
    this.spectrum = new Plot(this.many.querySelector(".plots"), { x: "Frequency (Hz)", y: "Power (Hz²/Hz)", app, logs: true, height: 132 });
    this.traces = [];
    app.state.on(["picked", "hidden", "theme", "from", "to", "view", "lasso", "rates"], () => (this.stale = true));
    element.querySelector(".counts").addEventListener("toggle", () => (this.stale = true));
    app.state.on(["neuron", "theme", "probe"], () => this.neuronChanged());
    element.addEventListener("click", (event) => {
      const what = event.target.closest("button")?.dataset.do;
      if (what === "column" || what === "neuron") app.go(what);
      if (what === "nodes") offer(document.getElementById("nodes"), app.nodeSet(), app.population.head);
      if (what === "clear") app.state.set({ picked: "", lasso: "" });
      if (what === "drop") app.state.set({ neuron: -1 });
      if (what === "unprobe") app.state.set({ probe: -1 });
      if (what === "in" || what === "out") this.toggleWires(what);
      if (what === "area") app.state.set({ picked: event.target.closest("button").dataset.name });
    });
    element.querySelector("#find").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = event.target.elements.id;
      const text = input.value.trim();
      const neuron = Math.max(app.population.find(text), app.population.findNear(text, app.member()));
      const value = neuron < 0 && app.population.findValue(text);
      input.setCustomValidity(neuron < 0 && !value ? `There is no neuron of that id, and no ${what} of that name` : "");
      if (neuron >= 0) app.choose(neuron);
      else if (value) app.state.set({ picked: value.name });
      else return input.reportValidity();
      const chosen = app.selected();
      const found = neuron >= 0 ? [neuron] : [];
      if (value) for (let i = 0; i < chosen.length && found.length < MOST_ASKED; i++) if (chosen[i]) found.push(i);
      app.bring(found);
    });
    element.querySelector("#find input").addEventListener("input", (e) => e.target.setCustomValidity(""));
    this.stale = true;
    this.neuronChanged();
  }

  draw() {
    const t = this.app.state.get("t");
    if (this.stale || this.version !== this.app.spikes.version) {
      this.stale = false;
      this.version = this.app.spikes.version;
      this.population();
    }
    this.rate.cursor(t);
    for (const plot of this.traces) plot.cursor(t);
  }

  span() {
    const { state, spikes } = this.app;
    return [state.get("from"), state.get("to") || spikes.duration];
  }

  population() {
    const { population, state, spikes } = this.app;
    const name = state.get("picked");
    const code = population.pickedCode(name);
    const lasso = state.get("lasso") !== "";
    const member = this.app.selected();
    let [n, total, rate, silent] = [0, 0, 0, 0];
    const counts = spikes.awaits ? [] : this.app.counts();
    const rates = spikes.awaits ? [] : this.app.rates();
    for (let i = 0; i < population.n; i++)
      if (member[i]) {
        n++;
        total += counts[i];
        rate += rates[i];
        if (rates[i] === 0) silent++;
      }
    const value = population.primary.values[code];
    const all = n === population.n;
    this.many.querySelector("h2").textContent = value ? value.name : lasso ? "Selected neurons" : all ? "All neurons" : "Neurons shown";
    this.many.querySelector(".sub").textContent = lasso ? (value ? "within the lasso" : "by lasso") : value ? (value.title === value.name ? population.primary.title : value.title) : `Click ${["area", "pop_name"].includes(population.primary.key) ? "a neuron or a row of the rates" : "a neuron"} for more`;
    put(this.many.querySelector("dl"), facts([
      ["neurons", n.toLocaleString()],
      ...(spikes.awaits ? [["activity", "not run yet"]] : [
        [html`mean rate <small>${this.app.sinceWords()}</small>`, n ? `${(rate / n).toFixed(2)} Hz` : "–"],
        ["silent", n ? `${((100 * silent) / n).toFixed(0)} %` : "–"],
      ]),
    ]));
    this.counts(member, n);
    this.many.querySelector(".plots").hidden = spikes.awaits;
    const column = state.get("view") === "column" ? "" : html`<button data-do="column">Open column</button>`;
    const clear = lasso ? "Select nothing" : population.primary.key === "area" ? "All areas" : "All";
    const asSet = n ? html`<button data-do="nodes" title="These neurons, for inputs, reports and changes to name, or as the target of an experiment">As a node set</button>` : "";
    put(this.many.querySelector(".actions"), html`${value ? column : ""}${asSet}${value || lasso ? html`<button data-do="clear" class="quiet">${clear}</button>` : ""}`);
    const duration = spikes.reached || spikes.duration;
    const raw = binnedRate(spikes, member, BIN, duration);
    const xs = Float64Array.from(raw, (_, k) => (k + 0.5) * BIN);
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
    const sigma = n > 2000 ? 2 : 5;
    this.rate.show(xs, [{ label: "rate", values: smooth(raw, sigma / BIN), colour: accent, width: 1.2, fill: `${accent}22` }], { restyle: this.accent !== accent, range: this.span() });
    const sampled = 1000 / BIN; // bins a second
    const length = windowLength(raw.length, sampled);
    const enough = raw.length >= length && total > 20;
    if (enough) {
      const { frequency, power } = welch(raw, sampled, length);
      this.spectrum.show(frequency.slice(1), [{ label: "power", values: power.slice(1).map((p) => Math.max(p, 1e-9)), colour: accent, width: 1.2 }], { restyle: this.accent !== accent });
    }
    this.spectrum.box.classList.toggle("empty", !enough);
    this.accent = accent;
  }

  /** How many neurons of each value there are, as long as that is open. */
  counts(member, total) {
    const { population } = this.app;
    const box = this.many.querySelector(".counts");
    const facets = population.facets.map((facet, f) => ({ ...facet, f })).filter(({ values }) => values.length > 1);
    box.hidden = facets.length === 0 || total === 0;
    if (box.hidden || !box.open) return;
    put(box.querySelector("div"), html`${facets.map((facet) => {
      const found = new Uint32Array(facet.values.length);
      for (let i = 0; i < population.n; i++) if (member[i]) found[population.code(i, facet.f)]++;
      const colours = population.colours(facet, { allen: this.app.state.get("allen"), dark: this.app.dark() });
      const most = Math.max(...found);
      let rows = facet.values.map((value, k) => ({ name: value.name, count: found[k], colour: css(colours[k]) })).filter(({ count }) => count > 0);
      if (rows.length > COUNTED) rows.sort((a, b) => b.count - a.count);
      const rest = rows.slice(COUNTED).reduce((sum, { count }) => sum + count, 0);
      const others = rest ? html`<tr class="rest"><th>${rows.length - COUNTED} more</th><td></td><td>${rest.toLocaleString()}</td></tr>` : "";
      rows = rows.slice(0, COUNTED);
      return html`<table class="wires"><caption>${facet.title}</caption><tbody>${rows.map(({ name, count, colour }) => html`<tr><th title="${name}">${name}</th>
        <td><span class="bar"><i data-css="width:${((100 * count) / most).toFixed(1)}%;background:${colour}"></i></span></td><td>${count.toLocaleString()}</td></tr>`)}${others}</tbody></table>`;
    })}`);
  }

  /** The card of the chosen neuron. */
  async neuronChanged() {
    const { population, state } = this.app;
    const number = state.get("neuron");
    this.one.hidden = number < 0 || number >= population.n;
    if (this.one.hidden) return;
    const counts = this.app.counts();
    this.one.querySelector("h2").textContent = population.name(number);
    this.one.querySelector(".sub").textContent = population.facets.map((_, f) => population.value(number, f).name).join(" · ");
    const place = population.place(number).map((x) => Math.round(x)).join(", ");
    const rows = [
      ...(this.app.spikes.awaits ? [["activity", "not run yet"]] : [
        ["spikes", counts[number].toLocaleString()],
        [html`rate <small>${this.app.sinceWords()}</small>`, `${this.app.rateOf(number).toFixed(1)} Hz`],
      ]),
      ...(population.head.frame === "none" ? [] : [["x, y, z", `${place} µm`]]),
    ];
    put(this.one.querySelector("dl"), facts(rows));
    const open = state.get("view") === "neuron" ? "" : html`<button data-do="neuron">Open neuron</button>`;
    put(
      this.one.querySelector(":scope > .actions"),
      html`${open}
       <button data-do="area" data-name="${population.value(number, 0).name}" class="quiet">Select ${population.value(number, 0).name}</button>
       <button data-do="drop" class="quiet">Close</button>`,
    );
    this.connections();
    const data = await this.app.neuron(number);
    if (state.get("neuron") !== number) return;
    this.traces.forEach((plot) => plot.dispose());
    this.traces = [];
    const box = this.one.querySelector(".plots");
    box.replaceChildren();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const probe = this.app.neuronView.probed(data);
    // of several reports of a variable the finest, with a probe of those of all compartments; voltage first
    const all = (data?.head.reports ?? []).map((r, k) => ({ ...r, k })).sort((a, b) => (probe >= 0 ? b.whole - a.whole : 0) || a.dt - b.dt);
    const reports = all.filter((r, k) => all.findIndex((other) => other.variable === r.variable) === k);
    reports.sort((a, b) => (b.variable === "v") - (a.variable === "v"));
    for (const report of reports) {
      const codes = data.arrays[`colour${report.k}`];
      const lines = [];
      if (!codes || present(codes, report.soma)) lines.push({ label: "soma", values: data.arrays[`trace${report.k}`], colour: colour(report.variable === "v" ? "accent" : "warm") });
      if (codes && probe >= 0 && present(codes, probe)) lines.push({ label: "probe", values: valuesOf(report, codes, data.arrays.kind.length, probe), colour: colour("ink") });
      if (lines.length === 0) continue;
      const v = lines.length > 1 ? "v" : "Soma v";
      const name = { v, cai: "Ca" }[report.variable] ?? report.variable.replaceAll("_", " ");
      const [low, high] = lines.flatMap(({ values }) => [...values]).reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
      const { factor, unit } = quantity({ ...report, low, high }); // of what is drawn alone
      const plot = new Plot(box, { x: "Time (ms)", y: `${name} (${unit || "1"})`, height: report.variable === "v" ? 128 : 96, app: this.app });
      const xs = Float64Array.from(lines[0].values, (_, k) => report.first + k * report.dt);
      if (factor !== 1) for (const line of lines) line.values = line.values.map((x) => x * factor);
      plot.show(xs, lines, { range: this.span() });
      this.traces.push(plot);
    }
    this.probeNote(box, data, probe);
    const inputs = this.app.synapses?.number === number ? this.app.synapses.data : null;
    if (inputs) this.inputs(box, inputs, colour);
    if (reports.length === 0 && !this.app.spikes.awaits) {
      const note = document.createElement("p");
      note.className = "note";
      const times = this.app.spikeTimes(number);
      note.textContent = `${data === null ? "This page does not contain its recordings." : "Its voltage was not recorded."} ${times.length ? `Spikes at ${[...times.slice(0, 12)].map((t) => t.toFixed(1)).join(", ")}${times.length > 12 ? " …" : ""} ms.` : "It did not spike."}`;
      box.append(note);
    }
  }

  /** Where the probe is, or that there may be one. */
  probeNote(box, data, probe) {
    if (!recordedWhole(data)) return;
    const note = document.createElement("p");
    note.className = "note";
    if (probe >= 0) put(note, html`<i class="dot" data-css="background:var(--ink)"></i> probe: ${placeOf(data, probe)} <button data-do="unprobe" class="quiet">Take it off</button>`);
    else if (this.app.state.get("view") === "neuron") put(note, "Click a branch to put a probe there.");
    box.append(note);
  }

  /** Show or hide the inputs or the targets of the chosen neuron. */
  toggleWires(side) {
    const { state } = this.app;
    const sides = new Set(this.app.wires.asked());
    if (!sides.delete(side)) sides.add(side);
    state.set({ wires: sides.size === 2 ? "both" : ([...sides][0] ?? "") });
  }

  connections() {
    const { wires } = this.app;
    const sides = wires.asked();
    const button = (side, name) => html`<button data-do="${side}" aria-pressed="${sides.includes(side)}" title="By area, and as lines in the cortex">${name}</button>`;
    put(this.one.querySelector(".links"), html`<div class="actions">${button("in", "Inputs")}${button("out", "Targets")}</div>${sides.map((side) => wires.table(side))}`);
  }

  /** Events that arrive, a second, from excitatory and inhibitory synapses. */
  inputs(box, { arrays }, colour) {
    const { time, synapse, excites } = arrays;
    const bin = 2;
    const bins = Math.max(Math.ceil(this.app.spikes.duration / bin), 1);
    const counts = [new Float64Array(bins), new Float64Array(bins)];
    for (let e = 0; e < time.length; e++) counts[excites[synapse[e]]][Math.min(Math.floor(time[e] / bin), bins - 1)]++;
    const lines = counts.map((c) => smooth(c.map((x) => x / bin), 2));
    const xs = Float64Array.from({ length: bins }, (_, k) => (k + 0.5) * bin);
    const plot = new Plot(box, { x: "Time (ms)", y: "Events (1/ms)", height: 96, zero: true, app: this.app });
    plot.show(xs, [
      { label: "excitatory", values: lines[1], colour: colour("warm") },
      { label: "inhibitory", values: lines[0], colour: colour("cold") },
    ], { range: this.span() });
    this.traces.push(plot);
    const note = document.createElement("p");
    note.className = "note";
    const before = this.app.spikes.awaits ? ". Those of what drives the circuit: its own neurons have not run yet" : "";
    put(note, html`<i class="dot" data-css="background:var(--warm)"></i> excitatory <i class="dot" data-css="background:var(--cold)"></i> inhibitory events${before}`);
    box.append(note);
  }
}

const facts = (rows) => html`${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}`;
