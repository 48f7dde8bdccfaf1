// What is cut off the cortex, so that one sees inside: a slice, and layers from the pia.

import { html, put } from "./markup.js";

const LAYERS = 6;
const AXES = {
  ccf: [["coronal", 0, "from the front"], ["horizontal", 1, "from the top"], ["sagittal", 2, "from the left"]],
  xyz: [["x", 0, ""], ["y", 1, ""], ["z", 2, ""]],
};

/** The slice that is asked: axis of the coordinates or -1, and what it shows, mm. */
export function slice(population, state) {
  const chosen = (AXES[population.head.frame] ?? []).find(([name]) => name === state.get("slice"));
  if (!chosen) return { axis: -1, first: 0, last: 0 };
  const [low, high] = population.extent[chosen[1]];
  const first = low + ((high - low) * state.get("at")) / 100;
  const thick = state.get("thick");
  return { axis: chosen[1], first, last: thick >= 100 ? high + 1 : first + ((high - low) * thick) / 100 };
}

export class CutPanel {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    const { population } = app;
    this.axes = AXES[population.head.frame] ?? [];
    const layered = population.head.frame === "ccf" && population.layered >= 0;
    const slider = (key, title, min, max, step) => html`<label class="slide" data-row="${key}"><span>${title}</span><output></output>
      <input type="range" data-key="${key}" min="${min}" max="${max}" step="${step}" aria-label="${title}"></label>`;
    const check = (key, title) => html`<label class="check"><input type="checkbox" data-key="${key}"> ${title}</label>`;
    put(element, html`<summary>Cut and peel</summary><div>
      <label class="row"><span>Slice</span><select data-key="slice" aria-label="Slice"><option value="">none</option>${this.axes.map(([name]) => html`<option>${name}</option>`)}</select></label>
      ${slider("at", "Face", 0, 99, 0.5)}${slider("thick", "Thickness", 0, 100, 1)}
      ${layered ? slider("peel", "Peel", 0, LAYERS - 0.1, 0.1) : ""}
      ${population.head.frame === "ccf" ? html`<div class="checks">${check("outline", "Outline")}${check("names", "Names")}</div>` : ""}
      <button class="quiet" data-do="whole">Whole</button></div>`);
    element.hidden = this.axes.length === 0;
    element.addEventListener("input", (event) => this.change(event.target));
    element.querySelector("[data-do=whole]").addEventListener("click", () => app.state.set({ slice: "", at: 50, thick: 10, peel: 0 }));
    element.open = app.state.get("slice") !== "" || app.state.get("peel") > 0;
    app.state.on(["slice", "at", "thick", "peel", "outline", "names"], () => this.render());
    this.render();
  }

  change(input) {
    const { key } = input.dataset;
    const value = input.type === "checkbox" ? input.checked : key === "slice" ? input.value : +input.value;
    this.app.state.set({ [key]: key === "thick" ? fromSlider(value) : value });
  }

  render() {
    const { state, population } = this.app;
    const { axis, first, last } = slice(population, state);
    for (const input of this.element.querySelectorAll("[data-key]")) {
      const value = state.get(input.dataset.key);
      if (input.type === "checkbox") input.checked = value;
      else input.value = input.dataset.key === "thick" ? toSlider(value) : value;
    }
    const row = (key) => this.element.querySelector(`[data-row=${key}]`);
    for (const key of ["at", "thick"]) row(key).hidden = axis < 0;
    if (axis >= 0) {
      row("at").querySelector("output").textContent = `${first.toFixed(2)} mm ${this.axes.find(([, a]) => a === axis)[2]}`;
      const whole = state.get("thick") >= 100;
      row("thick").querySelector("output").textContent = whole ? "to the end" : `${(last - first).toFixed(2)} mm`;
    }
    const peeled = row("peel");
    if (peeled) peeled.querySelector("output").textContent = peelWords(population, state.get("peel"));
  }
}

// thin slices need finer steps: a percent to a hundred, logarithmic
const fromSlider = (x) => (x >= 100 ? 100 : +(100 ** (x / 100)).toFixed(2));
const toSlider = (thick) => Math.round((100 * Math.log(Math.max(thick, 1))) / Math.log(100));

/** What a peel leaves, in words. */
export function peelWords(population, peel) {
  if (!(peel > 0)) return "none";
  const names = ["L1", "L2/3", "L4", "L5", "L6a", "L6b"];
  const layer = Math.min(Math.floor(peel + 1e-6), LAYERS - 1);
  const part = peel - layer;
  return part < 0.05 ? `from ${names[layer]}` : `from within ${names[layer]}`;
}
