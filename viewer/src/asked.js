// What all parts of the page ask: the time, who is shown, in which colours, and what to call it.

import { CLOSE } from "./cloud.js";
import { slice } from "./cut.js";
import { differences } from "./difference.js";
import { inLoops, read } from "./lasso.js";
import { html, put, stacked } from "./markup.js";
import { place } from "./near.js";
import { CALM, CALM_LIGHT, theme } from "./palettes.js";
import { rateColour, rateShade } from "./population.js";
import { restored } from "./recorded.js";
import { nodeSet } from "./selection.js";
import { fetchPacked } from "./source.js";
import { State } from "./state.js";
import { packed } from "./timeline.js";

const ONSET = 400; // ms
const FEW = 64; // neurons that are shown with their branches at first

const $ = (id) => document.getElementById(id);

export class Asked {
  constructor(population, spikes, address) {
    this.population = population;
    this.spikes = spikes;
    this.address = address;
    // places in the order of drawing are nobody's business: links hold population and node id
    const first = population.branched && population.n <= FEW ? { view: "column" } : {};
    this.state = new State(first, { neuron: { write: (i) => population.name(i), read: (text) => population.find(text) } });
    this.state.on(["theme"], () => this.applyTheme()); // first of all: others ask for its colours
    this.state.fromHash(address);
    this.neurons = new Map();
    this.applyTheme();
  }

  now() {
    return this.state.get("t");
  }

  /** ms of simulation a second of real time. */
  speed() {
    const given = this.state.get("speed");
    if (given > 0) return given;
    return [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].find((s) => s * 10 >= this.spikes.duration) ?? 5000;
  }

  /** Time constant with which a flash fades, ms: some tenth of a second to the eye. */
  tau() {
    return Math.min(Math.max(0.07 * this.speed(), 1.5), 60);
  }

  applyTheme() {
    const given = this.state.get("theme");
    if (given) document.documentElement.dataset.theme = given;
    else delete document.documentElement.dataset.theme;
  }

  dark() {
    return theme().dark;
  }

  background() {
    return theme().background.map((c) => c / 255);
  }

  /** By what neurons may be coloured: key and title; by the difference where another run is beside this one. */
  colourings() {
    return [...this.population.facets.map((f) => [f.key, f.title]), ["rate", "Rate"], ...(this.other ? [["difference", "Difference"]] : [])];
  }

  colourKey() {
    const given = this.state.get("colour");
    const known = this.colourings().map(([key]) => key);
    if (known.includes(given)) return given;
    // a column is of one area: unless asked for, its colours tell classes
    const classes = this.population.facets.find((f) => f.key === "cell_class")?.key;
    return (this.state.get("view") === "column" && classes) || known[0];
  }

  /** The slice that is shown: axis or -1, first and last mm. */
  cut() {
    return slice(this.population, this.state);
  }

  /** Least and most Hz of neurons that are shown; null where rates hide none. */
  rateRange() {
    const [least, most] = this.state.get("rates").split("_").map((text) => (text === "" ? NaN : +text));
    const range = [Number.isFinite(least) ? least : 0, Number.isFinite(most) ? most : Infinity];
    return this.spikes.awaits || (range[0] <= 0 && range[1] === Infinity) ? null : range;
  }

  /** Uint8Array[n]: 1 for neurons that are shown. */
  member() {
    const range = this.rateRange();
    const rates = range && this.rates();
    const key = JSON.stringify([this.population.n, this.state.get("hidden"), range, range && this.rateKey]);
    if (this.memberKey !== key) {
      this.memberKey = key;
      this.members = this.population.members(this.state.get("hidden"));
      if (range) rates.forEach((hz, i) => (this.members[i] &= hz >= range[0] && hz <= range[1]));
    }
    return this.members;
  }

  /** Uint8Array[n]: 1 for neurons within the loops that were drawn; null where there are none. */
  lassoed() {
    const key = [this.state.get("lasso"), this.cloud.strata, this.population.n].join();
    if (this.lassoKey !== key) {
      this.lassoKey = key;
      this.inLasso = inLoops(read(this.state.get("lasso")), this.cloud);
    }
    return this.inLasso;
  }

  /** Uint8Array[n]: 1 for neurons that are shown and in what is selected, all that are shown if nothing is. */
  selected() {
    const shown = this.member();
    const lassoed = this.lassoed();
    const code = this.population.pickedCode(this.state.get("picked"));
    const key = [this.memberKey, this.lassoKey, code].join();
    if (this.selectedKey !== key) {
      this.selectedKey = key;
      this.chosen = shown.map((yes, i) => (yes && (code < 0 || this.population.code(i, 0) === code) && (!lassoed || lassoed[i]) ? 1 : 0));
    }
    return this.chosen;
  }

  /** The selection as a node set: by id where its attributes do not tell it. */
  nodeSet() {
    const { population, state } = this;
    const range = this.rateRange();
    const words = [...(range ? [range[1] === Infinity ? `from ${range[0]} Hz` : `${range[0]} to ${range[1]} Hz`] : []), ...(this.lassoed() ? ["lasso"] : [])];
    const also = { words, member: this.selected() };
    // a place is one in every animal of a recipe; a rate is of this run
    if (!range && population.head.recipe) also.place = (member) => place(population, member, population.members(state.get("hidden"), population.pickedCode(state.get("picked"))), (1000 * this.cloud.spread(population.n)) / CLOSE);
    return nodeSet(population, state.get("hidden"), state.get("picked"), words.length ? also : {});
  }

  counts() {
    const key = [this.spikes.version, this.population.n].join();
    if (this.countKey !== key) {
      this.countKey = key;
      this.spikeCounts = this.spikes.counts(this.population.n);
    }
    return this.spikeCounts;
  }

  /** From when on mean rates until a time count, ms: at first all cells leave the same voltage at once. */
  since(until = this.spikes.reached) {
    const { begin } = this.population.head;
    return begin === 0 && until >= 2 * ONSET ? ONSET : begin;
  }

  sinceWords(since = this.since()) {
    return since ? `from ${since} ms on` : "with the onset";
  }

  /** Hz of each neuron, without the onset where the run is long enough. */
  rates() {
    const since = this.since();
    const key = [this.spikes.version, since, this.spikes.reached, this.population.n].join();
    if (this.rateKey !== key) {
      this.rateKey = key;
      const counts = since ? this.spikes.counts(this.population.n, since) : this.counts();
      const seconds = Math.max(this.spikes.reached - since, 1e-3) / 1000;
      this.allRates = new Float32Array(counts.length);
      for (let i = 0; i < counts.length; i++) this.allRates[i] = counts[i] / seconds;
    }
    return this.allRates;
  }

  rateOf(number) {
    return this.rates()[number];
  }

  spikeTimes(number) {
    const key = `${number}/${this.spikes.version}`;
    if (this.timesKey !== key) {
      this.timesKey = key;
      this.times = this.spikes.of(number);
    }
    return this.times;
  }

  colourTable() {
    const key = this.colourKey();
    const facet = this.population.facets.find((f) => f.key === key);
    return facet ? this.population.colours(facet, { allen: this.state.get("allen"), dark: this.dark() }) : null;
  }

  /** Of colours that are no attribute's: from a neuron to 0..1, from there to a colour, and what they mean. */
  scale() {
    const dark = this.dark();
    if (this.colourKey() === "difference") {
      const { hz, top } = differences(this);
      const colour = dark ? CALM : CALM_LIGHT;
      const shade = (i) => 0.5 + (0.5 * hz[this.population.code(i, 0)]) / top;
      const ramp = Array.from({ length: 13 }, (_, k) => colour(k / 12));
      return { shade, colour, ramp, title: "Rate less that of the first run", marks: [`−${top}`, "0", `${top} Hz`] };
    }
    const colour = (x) => rateColour(x, dark);
    const ramp = Array.from({ length: 12 }, (_, k) => colour(rateShade(0.3 * (50 / 0.3) ** (k / 11))));
    return { shade: (i) => rateShade(this.rateOf(i)), colour, ramp, title: `Rate, ${this.sinceWords()}`, marks: ["0.3", "4", "50 Hz"] };
  }

  colourOf(number) {
    const table = this.colourTable();
    if (!table) {
      const { shade, colour } = this.scale();
      return colour(shade(number));
    }
    return table[this.population.code(number, this.population.facets.findIndex((f) => f.key === this.colourKey()))];
  }

  /** A function from a neuron to a packed colour. */
  colourer() {
    const table = this.colourTable()?.map(packed);
    if (!table) {
      const { shade, colour } = this.scale();
      const shades = Array.from({ length: 256 }, (_, k) => packed(colour(k / 255)));
      return (i) => shades[Math.round(255 * shade(i))];
    }
    const facet = this.population.facets.findIndex((f) => f.key === this.colourKey());
    return (i) => table[this.population.code(i, facet)];
  }

  /** A neuron in one line. */
  describe(number) {
    const { population } = this;
    return `${population.name(number)} (${population.facets.slice(0, 3).map((_, f) => population.value(number, f).name).join(" ")})`;
  }

  describeValue(name) {
    const value = this.population.primary.values.find((v) => v.name === name);
    if (!value) return html`<b>${name}</b>`;
    const title = value.title === value.name ? [] : [value.title];
    return stacked([html`<b>${value.name}</b>`, ...title, ...(value.group ? [html`<small>${value.group}</small>`] : [])]);
  }

  describeNeuron(number) {
    const { population } = this;
    const words = [html`<b>${population.name(number)}</b>`];
    const value = population.value(number, 0);
    words.push(value.title === value.name ? `${population.primary.title}: ${value.name}` : `${value.name}, ${value.title}`);
    const rest = population.facets.slice(1).map((_, f) => population.value(number, f + 1).name);
    const model = this.model(number);
    if (rest.length) words.push(rest.join(" · "));
    if (model) words.push(`model ${model}`);
    if (!this.spikes.awaits) words.push(html`${this.counts()[number]} spikes, ${this.rateOf(number).toFixed(1)} Hz${population.recorded.includes(number) ? html` · <em>recorded</em>` : ""}`);
    return stacked(words);
  }

  /** Cell models and their branches, read once. */
  loadModels() {
    this.reading ??= fetchPacked("models").then((models) => (this.models = models));
    return this.reading;
  }

  model(number) {
    const { models } = this;
    return models?.head.models[models.arrays.model[number]] ?? null;
  }

  /** Branches and recordings of a neuron; null where an export does not contain it. */
  neuron(number) {
    if (this.spikes.running || !this.neurons.has(number)) {
      const read = fetchPacked(`neuron/${number}`).then(restored).catch((error) => {
        this.notice(String(error.message));
        return null;
      });
      this.neurons.set(number, read);
    }
    return this.neurons.get(number);
  }

  notice(text) {
    $("notice").textContent = text;
    $("notice").hidden = !text;
  }

  /** Something is on its way; it holds up nothing. */
  waiting(text) {
    $("live").dataset.waiting = text;
  }

  /** `ask` what is under the pointer, as markup or text, now and whenever that may be another thing. */
  tip(ask, event) {
    this.asking = ask && { ask, element: event.target, x: event.clientX, y: event.clientY };
    this.tell();
  }

  tell() {
    const tip = $("tip");
    const { ask, element, x, y } = this.asking ?? {};
    this.told = performance.now();
    const content = element?.isConnected ? ask() : null;
    tip.hidden = !content;
    if (!content) return;
    put(tip, content);
    const { offsetWidth: w, offsetHeight: h } = tip;
    const left = Math.min(x + 14, innerWidth - w - 6);
    const top = y + 16 + h > innerHeight ? y - h - 10 : y + 16;
    tip.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 4)}px)`;
  }

  /** The recorded neuron with most spikes, of those in the picked area and with all compartments if there are any. */
  liveliest() {
    const counts = this.counts();
    const { whole, recorded } = this.population;
    const code = this.population.pickedCode(this.state.get("picked"));
    const there = (i) => this.population.code(i, 0) === code;
    const choice = [whole.filter(there), whole, recorded].find((numbers) => numbers.length);
    return choice.reduce((best, i) => (counts[i] > counts[best] ? i : best), choice[0]);
  }
}
