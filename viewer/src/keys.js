// The keyboard.

import { html } from "./markup.js";

const ROWS = [
  ["space", "play or pause"],
  ["← →", "one ms back or on; with Shift ten"],
  ["Home End", "beginning, end"],
  ["[ ]", "slower, faster"],
  ["1 2 3", "cortex, column, neuron"],
  ["A D W S", "rotate"],
  ["+ −", "nearer, farther"],
  ["F", "whole object in the picture"],
  ["T", "light or dark"],
  ["L", "draw a loop around neurons"],
  ["P", "save a picture"],
  ["Esc", "select nothing"],
  ["drag", "rotate; with Shift or the right button, pan"],
  ["wheel", "nearer to what lies under the pointer, or farther; over a plot of time, its span (double-click: all)"],
  ["click", "select a neuron and its area; on a branch, a probe; in the margin of a plot, an area"],
  ["double click", "fly into a neuron"],
];

export const KEYS = html`<h2>Keys and mouse</h2><table>${ROWS.map(([key, what]) => html`<tr><th>${key}</th><td>${what}</td></tr>`)}</table><p>The address bar holds what you see: share it with whoever has the same server or file.</p><button>Close</button>`;

export function listenToKeys(app) {
  // Space presses a button that was reached with Tab; one that was clicked does not keep it
  let tabbed = false;
  addEventListener("pointerdown", () => (tabbed = false), true);
  addEventListener("keydown", (event) => (tabbed ||= event.key === "Tab"), true);
  addEventListener("change", (event) => !tabbed && event.target.closest("select")?.blur());
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input[name], select, dialog[open]");
    if (typing || app.studio || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.type === "range" && /^(Arrow|Home|End|Page)/.test(event.key)) return; // it moves the slider
    const by = event.shiftKey ? 10 : 1;
    const control = event.target.closest?.("button, input, summary");
    if (event.key === " " && control && tabbed) return;
    const does = {
      " ": () => {
        control?.blur(); // or some browsers press it when the key comes up
        app.toggle();
      },
      ArrowLeft: () => app.step(-by),
      ArrowRight: () => app.step(by),
      Home: () => app.seek(0),
      End: () => app.seek(app.spikes.duration),
      "[": () => app.transport.faster(-1),
      "]": () => app.transport.faster(1),
      1: () => app.go("cortex"),
      2: () => app.go("column"),
      3: () => app.go("neuron"),
      a: () => app.stage.orbit(-0.12, 0),
      d: () => app.stage.orbit(0.12, 0),
      w: () => app.stage.orbit(0, -0.12),
      s: () => app.stage.orbit(0, 0.12),
      "+": () => app.stage.orbit(0, 0, 1.15),
      "=": () => app.stage.orbit(0, 0, 1.15),
      "-": () => app.stage.orbit(0, 0, 1 / 1.15),
      f: () => app.stage.home(),
      t: () => app.state.set({ theme: app.dark() ? "light" : "dark" }),
      l: () => app.stage.name === "cortex" && app.lasso.begin(app.lasso.kind ? "" : "new"),
      p: () => app.photograph(),
      "?": () => app.help(),
      Escape: () => app.lasso.kind ? app.lasso.begin("") : app.state.set({ picked: "", lasso: "", probe: -1, neuron: app.stage.name === "neuron" ? app.state.get("neuron") : -1 }),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}
