// What one sees, as a few plain values; the address bar holds them, so that a view can be shared.

export const DEFAULTS = {
  view: "cortex", // cortex, column or neuron
  t: 0, // ms
  playing: false,
  speed: 0, // ms of simulation a second; 0: the run takes ten seconds
  colour: "", // key of a facet, or "rate"; "": the first facet
  allen: false, // the Allen Institute's colours of areas
  hidden: {}, // facet -> values that are not drawn
  picked: "", // value of the first facet
  rates: "", // least and most Hz of neurons that are drawn, "1_10"; "": all
  lasso: "", // loops around neurons, see lasso.js
  side: "right", // hemisphere of the column
  neuron: -1, // in drawing order
  variable: "v", // what colours the branches
  probe: -1, // compartment of the neuron whose recording is drawn beside that of its soma
  wires: "", // of the chosen neuron: "in", "out" or "both"
  from: 0, // span of the time axis, ms
  to: 0, // 0: the end
  theme: "", // dark or light; "": dark
  camera: "", // of the current view
  slice: "", // axis of the cut through the cortex
  at: 50, // where its face lies, percent of the extent along the axis
  thick: 10, // of what is shown behind that face, percent of the extent
  peel: 0, // layers taken off from the pia
  outline: true, // the cortex as glass
  names: true, // of areas
};

/** A change of one of these is a step, which the browser's Back takes back. */
const STEPS = ["view", "neuron", "picked", "lasso"];

export class State {
  /**
   * @param {Object} first what is shown at first, where that differs from DEFAULTS
   * @param {Object} named key -> {write, read}: values that the address holds under another name
   */
  constructor(first = {}, named = {}) {
    this.defaults = { ...DEFAULTS, ...first };
    this.named = named;
    this.values = structuredClone(this.defaults);
    this.listeners = [];
    this.timer = 0;
    this.still = false; // a figure goes from view to view: the address stays
  }

  get(key) {
    return this.values[key];
  }

  /** Change some values; listeners of those that differ are called once. `step`: Back undoes it. */
  set(changes, { step = true } = {}) {
    const differ = (key) => JSON.stringify(changes[key]) !== JSON.stringify(this.values[key]);
    const elsewhere = ["view", ...((changes.view ?? this.values.view) === "neuron" ? ["neuron"] : [])];
    // a camera is of one view, that of the third of one neuron
    if (elsewhere.some((key) => key in changes && differ(key))) changes = { camera: "", ...changes };
    if ("neuron" in changes && differ("neuron")) changes = { probe: -1, ...changes }; // it was in another
    const changed = Object.keys(changes).filter(differ);
    if (changed.length === 0) return;
    const leaves = step && STEPS.some((key) => changed.includes(key));
    if (leaves) this.write("replaceState"); // as it is now: what one comes back to
    for (const key of changed) this.values[key] = changes[key];
    for (const { keys, call } of this.listeners) if (keys.some((k) => changed.includes(k))) call();
    if (leaves) this.write("pushState");
    else this.remember();
  }

  on(keys, call) {
    this.listeners.push({ keys, call });
  }

  /** Write the address bar, at most a few times a second. */
  remember() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => !this.values.playing && this.write("replaceState"), 250);
  }

  write(how) {
    clearTimeout(this.timer);
    if (this.still) return;
    const hash = `#${this.toHash()}`;
    if (hash === (location.hash || "#")) return;
    try {
      history[how](null, "", hash);
    } catch {
      // a frame without an address of its own, as in a notebook
    }
  }

  toHash() {
    const words = new URLSearchParams();
    for (const [key, value] of Object.entries(this.values)) {
      if (key === "playing" || JSON.stringify(value) === JSON.stringify(this.defaults[key])) continue;
      if (key === "hidden") {
        for (const [facet, values] of Object.entries(value))
          if (values.length) words.set(`hide.${facet}`, values.join("~"));
      } else if (this.named[key]) words.set(key, this.named[key].write(value));
      else words.set(key, typeof value === "number" ? String(+value.toFixed(2)) : value);
    }
    return words.toString();
  }

  /** Take over what an address holds; what it does not hold returns to its default. */
  fromHash(hash) {
    const values = structuredClone(this.defaults);
    for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
      if (key.startsWith("hide.")) values.hidden[key.slice(5)] = text.split("~");
      else if (this.named[key]) values[key] = this.named[key].read(text);
      else if (typeof DEFAULTS[key] === "number") {
        if (Number.isFinite(+text)) values[key] = +text;
      } else if (typeof DEFAULTS[key] === "boolean") values[key] = text === "true";
      else if (typeof DEFAULTS[key] === "string") values[key] = text;
    }
    delete values.playing;
    this.set(values, { step: false });
  }
}
