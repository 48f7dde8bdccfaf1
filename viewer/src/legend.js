// The left panel: what colours mean, and which neurons are shown.

import { common } from "./difference.js";
import { html, put } from "./markup.js";
import { css } from "./palettes.js";
import { rateColour } from "./population.js";

export class Legend {
  constructor(element, app) {
    this.element = element;
    this.app = app;
    app.state.on(["colour", "allen", "hidden", "theme", "picked", "view"], () => this.render());
    app.state.on(["rates"], () => this.showRates());
    element.addEventListener("click", (event) => this.click(event));
    element.addEventListener("change", (event) => {
      if (event.target.id === "colour") app.state.set({ colour: event.target.value });
      if (event.target.id === "allen") app.state.set({ allen: event.target.checked });
      if (event.target.closest(".rates")) {
        const [least, most] = [...element.querySelectorAll(".rates input")].map(({ value }) => value);
        app.state.set({ rates: least || most ? `${least}_${most}` : "" });
      }
    });
    this.render();
  }

  render() {
    const { state, population } = this.app;
    const colour = this.app.colourKey();
    const hidden = state.get("hidden");
    const focus = document.activeElement?.dataset?.focus;
    const scroll = this.element.scrollTop;
    const options = this.app.colourings()
      .map(([key, title]) => html`<option value="${key}" ${key === colour ? "selected" : ""}>${title}</option>`);
    const allen = population.facets.find((f) => f.key === colour)?.values.some((v) => v.allen);
    const { ramp, marks } = this.app.scale();
    const notes = {
      rate: html`<i class="dot" data-css="background:${css(rateColour(0, this.app.dark()))}"></i> silent. Mean rate ${this.app.sinceWords()}; logarithmic.`,
      difference: this.app.other && `Mean rate of each ${population.primary.title.toLowerCase()} less that of the first run, ${common(this.app).words}.`,
    };
    const scale = notes[colour]
      ? html`<div class="ramp"><i data-css="background:linear-gradient(90deg,${ramp.map(css).join()})"></i>
         ${(colour === "rate" ? ["0.3", "1", "4", "13", "50 Hz"] : marks).map((mark) => html`<span>${mark}</span>`)}</div><p class="note">${notes[colour]}</p>`
      : "";
    put(this.element, html`
      <label class="row" for="colour"><span>Colour by</span>
        <select id="colour" data-focus="colour">${options}</select></label>
      ${allen ? html`<label class="check"><input type="checkbox" id="allen" data-focus="allen" ${state.get("allen") ? "checked" : ""}> Allen atlas colours</label>` : ""}
      ${scale}
      ${population.facets.map((f, k) => [f, k]).sort(([a], [b]) => a.values.length - b.values.length)
        .map(([f, k]) => [...(k === 0 ? [this.rates()] : []), this.facet(f, k, new Set(hidden[f.key] ?? []), colour)])}`);
    this.showRates();
    this.element.scrollTop = scroll;
    if (focus) this.element.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  /** Neurons are shown from a rate up to a rate. */
  rates() {
    if (this.app.spikes.awaits) return "";
    const input = (name, empty) => html`<input type="number" min="0" step="any" name="${name}" placeholder="${empty}" data-focus="${name}" aria-label="${name}, Hz">`;
    return html`<section class="facet rates" title="Mean rate ${this.app.sinceWords()}"><h2><span>Rate <small>Hz</small></span>
      <button class="all" data-all="rates" data-focus="rates/all">show all</button></h2>
      <div>${input("least rate", "0")} to ${input("most rate", "any")}</div></section>`;
  }

  /** The fields are not made anew: one of them may have the focus. */
  showRates() {
    const values = this.app.state.get("rates").split("_");
    this.element.querySelectorAll(".rates input").forEach((input, k) => (input.value = values[k] ?? ""));
    for (const button of this.element.querySelectorAll(".rates .all")) button.hidden = !this.app.rateRange();
  }

  /** Few values are chips; the many of the first facet are a list, whose names select. */
  facet(facet, index, away, colour) {
    const { population, state } = this.app;
    const colours = population.colours(facet, { allen: state.get("allen"), dark: this.app.dark() });
    const shade = (k) => (facet.key === colour ? css(colours[k]) : "var(--faint)");
    const long = index === 0;
    const left = facet.values.length - away.size;
    const toggle = (v, k, inner, kind) => html`<button class="${kind} ${away.has(v.name) ? "away" : ""}" data-facet="${facet.key}" data-value="${v.name}"
      data-focus="${facet.key}/${v.name}" aria-pressed="${!away.has(v.name)}" aria-label="Show ${v.name}"
      title="${v.title}: hide or show; with Shift, this alone"><i data-css="--c:${shade(k)}"></i>${inner}</button>`;
    let group = null;
    const rows = facet.values.map((v, k) => {
      if (!long) return toggle(v, k, v.name, "chip");
      const heading = v.group && v.group !== group ? html`<li class="group"><button data-group="${v.group}" data-facet="${facet.key}" data-focus="${facet.key}/${v.group}/group" title="Hide or show them all">${v.group}</button></li>` : "";
      group = v.group ?? null;
      const picked = state.get("picked") === v.name;
      return html`${heading}<li class="${away.has(v.name) ? "away" : ""} ${picked ? "picked" : ""}">${toggle(v, k, "", "dot")}
        <button class="name" data-pick="${v.name}" data-focus="${facet.key}/${v.name}/pick" title="${v.title}: its rate and spectrum">${v.name}</button>
        <button class="only" data-facet="${facet.key}" data-only="${v.name}" data-focus="${facet.key}/${v.name}/only" title="Show ${v.name} alone">${left === 1 && !away.has(v.name) ? "all" : "only"}</button></li>`;
    });
    return html`<section class="facet"><h2><span>${facet.title} <small>${away.size ? `${left} of ${facet.values.length}` : facet.values.length}</small></span>
      ${away.size ? html`<button class="all" data-all="${facet.key}" data-focus="${facet.key}/all">show all</button>` : ""}</h2>
      ${long ? html`<ul class="list ${facet.values.some((v) => v.name.length > 9) ? "one" : ""}">${rows}</ul>` : html`<div class="chips">${rows}</div>`}</section>`;
  }

  click(event) {
    const { facet, value, all, group, only, pick } = event.target.closest("button")?.dataset ?? {};
    const { state, population } = this.app;
    const hidden = structuredClone(state.get("hidden"));
    if (pick) state.set({ picked: state.get("picked") === pick ? "" : pick });
    else if (all === "rates") state.set({ rates: "" });
    else if (all) {
      delete hidden[all];
      state.set({ hidden });
    } else if (group) {
      const names = population.facets.find((f) => f.key === facet).values.filter((v) => v.group === group).map((v) => v.name);
      const away = new Set(hidden[facet] ?? []);
      const hide = names.some((name) => !away.has(name));
      names.forEach((name) => (hide ? away.add(name) : away.delete(name)));
      state.set({ hidden: { ...hidden, [facet]: [...away] } });
    } else if (only || (facet && event.shiftKey)) {
      const one = only ?? value;
      const names = population.facets.find((f) => f.key === facet).values.map((v) => v.name);
      const away = names.filter((name) => name !== one);
      const alone = names.length - (hidden[facet]?.length ?? 0) === 1 && !hidden[facet].includes(one);
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
