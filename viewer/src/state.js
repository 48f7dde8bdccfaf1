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
  side: "right", // hemisphere of the column
  neuron: -1, // in drawing order
  variable: "v", // what colours the branches
  from: 0, // span of the time axis, ms
  to: 0, // 0: the end
  theme: "", // dark or light; "": as the system has it
  camera: "", // of the current view
};

export class State {
  constructor() {
    this.values = structuredClone(DEFAULTS);
    this.listeners = [];
    this.timer = 0;
  }

  get(key) {
    return this.values[key];
  }

  /** Change some values; listeners of those that differ are called once. */
  set(changes) {
    const changed = Object.keys(changes).filter(
      (key) => JSON.stringify(changes[key]) !== JSON.stringify(this.values[key]),
    );
    if (changed.length === 0) return;
    for (const key of changed) this.values[key] = changes[key];
    for (const { keys, call } of this.listeners) if (keys.some((k) => changed.includes(k))) call();
    this.remember();
  }

  on(keys, call) {
    this.listeners.push({ keys, call });
  }

  /** Write the address bar, at most a few times a second. */
  remember() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.values.playing) return;
      try {
        history.replaceState(null, "", `#${this.toHash()}`);
      } catch {
        // a frame without an address of its own, as in a notebook
      }
    }, 250);
  }

  toHash() {
    const words = new URLSearchParams();
    for (const [key, value] of Object.entries(this.values)) {
      if (key === "playing" || JSON.stringify(value) === JSON.stringify(DEFAULTS[key])) continue;
      if (key === "hidden") {
        for (const [facet, values] of Object.entries(value))
          if (values.length) words.set(`hide.${facet}`, values.join("~"));
      } else words.set(key, typeof value === "number" ? String(+value.toFixed(2)) : value);
    }
    return words.toString();
  }

  /** Take over what an address holds; what it does not hold returns to its default. */
  fromHash(hash) {
    const values = structuredClone(DEFAULTS);
    for (const [key, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
      if (key.startsWith("hide.")) values.hidden[key.slice(5)] = text.split("~");
      else if (typeof DEFAULTS[key] === "number") {
        if (Number.isFinite(+text)) values[key] = +text;
      } else if (typeof DEFAULTS[key] === "boolean") values[key] = text === "true";
      else if (typeof DEFAULTS[key] === "string") values[key] = text;
    }
    delete values.playing;
    this.set(values);
  }
}
