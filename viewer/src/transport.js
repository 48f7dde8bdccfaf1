// Play, pause, step, speed, and the time.

import { html, put } from "./markup.js";

const icon = (path) => html`<svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true"><path d="${path}"/></svg>`;
const PLAY = icon("M3 1l9.5 6L3 13z");
const PAUSE = icon("M2.5 1h3v12h-3zM8.5 1h3v12h-3z");
const SPEEDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

export class Transport {
  constructor(element, app) {
    this.app = app;
    put(element, html`
      <div class="buttons">
        <button data-do="start" title="To the beginning (Home)" aria-label="To the beginning">${icon("M2 1h2v12H2zM13 1v12L5 7z")}</button>
        <button data-do="back" title="One step back (←; with Shift ten)" aria-label="One step back">${icon("M9.5 2v10L3 7z")}</button>
        <button data-do="play" class="play" title="Play or pause (space)" aria-label="Play">${PLAY}</button>
        <button data-do="on" title="One step on (→; with Shift ten)" aria-label="One step on">${icon("M4.5 2l6.5 5-6.5 5z")}</button>
      </div>
      <output id="time" aria-live="off"></output>
      <label class="speed"><span>Speed</span><select aria-label="Speed" title="Simulated time in a second"></select></label>`);
    this.play = element.querySelector(".play");
    this.time = element.querySelector("output");
    this.select = element.querySelector("select");
    element.addEventListener("click", (event) => {
      const what = event.target.closest("button")?.dataset.do;
      if (what === "start") app.seek(0);
      if (what === "back") app.step(-1);
      if (what === "on") app.step(1);
      if (what === "play") app.toggle();
    });
    this.select.addEventListener("change", () => app.state.set({ speed: +this.select.value }));
    app.state.on(["speed"], () => this.render());
    app.state.on(["playing"], () => this.draw());
    this.render();
  }

  render() {
    const speed = this.app.speed();
    const all = [...new Set([...SPEEDS, speed])].sort((a, b) => a - b);
    const option = (s) => html`<option value="${s}" ${s === speed ? "selected" : ""}>${s < 1000 ? `${+s.toFixed(1)} ms` : `${s / 1000} s`}/s</option>`;
    put(this.select, html`${all.map(option)}`);
  }

  faster(by) {
    const speed = this.app.speed();
    const next = by > 0 ? SPEEDS.find((s) => s > speed) : SPEEDS.findLast((s) => s < speed);
    if (next) this.app.state.set({ speed: next });
  }

  draw() {
    const { state, spikes } = this.app;
    const playing = state.get("playing");
    if (this.playing !== playing) {
      this.playing = playing;
      put(this.play, playing ? PAUSE : PLAY);
      this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    }
    const text = html`<b>${state.get("t").toFixed(1)}</b> / ${+spikes.duration.toFixed(1)} ms`;
    if (this.text === text.text) return;
    this.text = text.text;
    put(this.time, text);
  }
}
