// Two runs beside each other: two pages of the viewer, with one clock, one camera and the same choices.

import "./pair.css";
import { DEFAULTS } from "./state.js";

/** All that is shared; the camera is passed on as it moves. */
const SHARED = Object.keys(DEFAULTS).filter((key) => key !== "camera");
const frames = ["a", "b"].map((id) => document.getElementById(id));

/** The page in a frame, once it stands. */
async function started(frame) {
  for (;;) {
    const app = frame.contentWindow?.isocortex?.app;
    if (app?.ready) return app;
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** What one chooses in `from` is chosen in `to`. */
function follow(from, to) {
  from.state.on(SHARED, () => {
    if (from.passing) return; // it comes from there
    to.passing = true;
    try {
      to.state.set(translated(from, to), { step: false });
    } finally {
      to.passing = false;
    }
    remember(from);
  });
}

/** The choices of a page in the terms of the other: a neuron by its population and node. */
function translated(from, to) {
  const values = Object.fromEntries(SHARED.map((key) => [key, structuredClone(from.state.get(key))]));
  if (values.neuron >= 0) values.neuron = to.population.find(from.population.name(values.neuron));
  return values;
}

/** The address of the pair is that of either page. */
let timer = 0;
function remember(app) {
  clearTimeout(timer);
  timer = setTimeout(() => !app.state.get("playing") && history.replaceState(null, "", `#${app.state.toHash()}`), 300);
}

function pass(from, to) {
  const [one, two] = [from, to].map(({ stage }) => stage.view.extent());
  if (from.stage.name !== to.stage.name || one > 2 * two || two > 2 * one) return; // unlike things
  const pose = from.stage.pose();
  if (to.stage.standsAt(pose)) return;
  to.stage.stop(false); // it flies along
  to.stage.put(pose);
  to.stage.controls.update();
}

async function main() {
  frames.forEach((frame) => (frame.src = `${frame.id}/${location.hash}`));
  const apps = await Promise.all(frames.map(started));
  const [a, b] = apps;
  document.title = apps.map((app) => app.population.head.title).join(" | ");
  b.other = a; // from which it may be told how it differs
  [a.heat.beside, b.heat.beside] = [b.heat, a.heat];
  const compare = () => {
    b.legend.render();
    b.paint();
  };
  const begin = () => {
    b.refresh();
    compare();
  };
  begin();
  Promise.all(apps.map((app) => app.filled)).then(begin);
  follow(a, b);
  follow(b, a);
  // what is hidden in it is hidden in the other only after it was painted
  b.state.on(["hidden", "rates"], () => b.colourKey() === "difference" && compare());
  // the longer run has the clock
  const clock = a.spikes.duration >= b.spikes.duration ? a : b;
  (clock === a ? b : a).led = true;
  // as fast, and over as long a time
  const [from, to] = [clock.state.get("from"), clock.state.get("to") || clock.spikes.duration];
  for (const app of apps) app.state.set({ speed: clock.speed(), from, to });
  let leads = a; // the page under the pointer moves the camera of both
  frames.forEach((frame, k) => {
    for (const kind of ["pointerdown", "wheel", "keydown"])
      frame.contentWindow.addEventListener(kind, () => (leads = apps[k]), { capture: true, passive: true });
  });
  const frame = () => {
    requestAnimationFrame(frame);
    pass(leads, leads === a ? b : a);
  };
  frame();
  window.isocortex = { apps };
  document.body.dataset.ready = "true";
}

main();
