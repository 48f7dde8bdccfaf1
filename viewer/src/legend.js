// The left panel: what colours mean, and which neurons are shown.

import { css } from "./palettes.js";
import { rateColour } from "./population.js";

export class Legend {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    this.open = new Set();
    app.state.on(["colour", "allen", "hidden", "theme", "picked", "view"], () => this.render());
    element.addEventListener("click", (event) => this.click(event));
    element.addEventListener("change", (event) => {
      if (event.target.id === "colour") app.state.set({ colour: event.target.value });
      if (event.target.id === "allen") app.state.set({ allen: event.target.checked });
    });
    this.render();
  }

  render() {
    const { state, population } = this.app;
    const colour = this.app.colourKey();
    const hidden = state.get("hidden");
    const focus = document.activeElement?.dataset?.focus;
    const scroll = this.element.scrollTop;
    const options = [...population.facets.map((f) => [f.key, f.title]), ["rate", "Rate"]]
      .map(([key, title]) => `<option value="${key}" ${key === colour ? "selected" : ""}>${title}</option>`)
      .join("");
    const allen = population.facets.find((f) => f.key === colour)?.values.some((v) => v.allen);
    const scale =
      colour === "rate"
        ? `<div class="ramp"><i style="background:linear-gradient(90deg,${Array.from({ length: 12 }, (_, k) => css(rateColour(k / 11, this.app.dark()))).join()})"></i>
           <span>0</span><span>1</span><span>5</span><span>50 Hz</span></div><p class="note">Mean over the run; logarithmic, silent neurons darkest.</p>`
        : "";
    this.element.innerHTML = `
      <label class="row" for="colour"><span>Colour by</span>
        <select id="colour" data-focus="colour">${options}</select></label>
      ${allen ? `<label class="check"><input type="checkbox" id="allen" data-focus="allen" ${state.get("allen") ? "checked" : ""}> Allen atlas colours</label>` : ""}
      ${scale}
      ${population.facets.map((f, k) => this.facet(f, k, new Set(hidden[f.key] ?? []), colour)).join("")}`;
    this.element.scrollTop = scroll;
    if (focus) this.element.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  facet(facet, index, away, colour) {
    const { population, state } = this.app;
    const colours = population.colours(facet, { allen: state.get("allen"), dark: this.app.dark() });
    const long = facet.values.length > 12;
    if (!this.started && (facet.key === colour || facet.values.length <= 2 || index === 1)) this.open.add(facet.key);
    if (index === population.facets.length - 1) this.started = true;
    const open = this.open.has(facet.key);
    const left = facet.values.filter((v) => !away.has(v.name));
    const alone = left.length === 1 ? left[0].name : null;
    let group = null;
    const rows = facet.values.map((v, k) => {
      const heading = v.group && v.group !== group ? `<li class="group"><button data-group="${v.group}" data-facet="${facet.key}" data-focus="${facet.key}/${v.group}/group">${v.group}</button></li>` : "";
      group = v.group ?? null;
      const swatch = facet.key === colour ? css(colours[k]) : "var(--line)";
      const picked = index === 0 && state.get("picked") === v.name;
      return `${heading}<li class="${away.has(v.name) ? "away" : ""} ${picked ? "picked" : ""}">
        <button data-facet="${facet.key}" data-value="${v.name}" data-focus="${facet.key}/${v.name}" aria-pressed="${!away.has(v.name)}"
          title="${v.title}: hide or show"><i style="--c:${swatch}"></i>${v.name}</button>
        ${long || facet.values.length > 2 ? `<button class="only" data-facet="${facet.key}" data-only="${v.name}" data-focus="${facet.key}/${v.name}/only">${alone === v.name ? "all" : "only"}</button>` : ""}</li>`;
    });
    const some = away.size > 0;
    return `<section class="facet ${long ? "long" : ""}">
      <h2><button data-toggle="${facet.key}" data-focus="${facet.key}/toggle" aria-expanded="${open}"><span>${open ? "▾" : "▸"}</span> ${facet.title}
        <small>${some ? `${facet.values.length - away.size} of ${facet.values.length}` : facet.values.length}</small></button>
        ${some ? `<button class="all" data-all="${facet.key}" data-focus="${facet.key}/all">show all</button>` : ""}</h2>
      ${open ? `<ul>${rows.join("")}</ul>` : ""}</section>`;
  }

  click(event) {
    const { toggle, facet, value, all, group, only } = event.target.closest("button")?.dataset ?? {};
    const { state, population } = this.app;
    const hidden = structuredClone(state.get("hidden"));
    if (toggle) {
      if (!this.open.delete(toggle)) this.open.add(toggle);
      this.render();
    } else if (all) {
      delete hidden[all];
      state.set({ hidden });
    } else if (group) {
      const names = population.facets.find((f) => f.key === facet).values.filter((v) => v.group === group).map((v) => v.name);
      const away = new Set(hidden[facet] ?? []);
      const hide = names.some((name) => !away.has(name));
      names.forEach((name) => (hide ? away.add(name) : away.delete(name)));
      state.set({ hidden: { ...hidden, [facet]: [...away] } });
    } else if (only) {
      const names = population.facets.find((f) => f.key === facet).values.map((v) => v.name);
      const away = names.filter((name) => name !== only);
      const alone = names.length - (hidden[facet]?.length ?? 0) === 1 && !hidden[facet].includes(only);
      if (alone) delete hidden[facet];
      else hidden[facet] = away;
      state.set({ hidden });
    } else if (facet) {
      const away = new Set(hidden[facet] ?? []);
      if (!away.delete(value)) away.add(value);
      state.set({ hidden: { ...hidden, [facet]: [...away] } });
    }
  }
}
