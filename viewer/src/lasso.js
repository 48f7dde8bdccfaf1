// Neurons within loops that are drawn around them in the picture: through the whole depth of what was
// shown. A loop is kept as the cone that it is in space, so that it holds whatever one looks at later.

import * as THREE from "three";
import { html, put } from "./markup.js";

const MOST_CORNERS = 48; // of a loop
const LEAST = 3; // px between corners
/** What a loop does with those before it. */
const KINDS = {
  new: ["Lasso", "Select the neurons within a loop that you draw (L)"],
  within: ["Within", "Of the selected, keep those within a loop: from another side it cuts the depth"],
  add: ["Add", "Add the neurons within a loop"],
  without: ["Without", "Take those within a loop off the selection"],
};

/** Loops as an address holds them: kind, eye, target, axis, first and last of the slice, peel, corners. */
export const written = (loops) =>
  loops.map(({ kind, eye, target, axis, first, last, peel, corners }) =>
    // from straight above, millionths of a millimetre tell which way is up
    [kind, ...[...eye, ...target].map((x) => +x.toFixed(8)), ...[axis, first, last, peel, ...corners.flat()].map((x) => +x.toFixed(4))].join("_")).join("~");

export function read(text) {
  const loops = text.split("~").filter(Boolean).map((part) => {
    const [kind, ...words] = part.split("_");
    const x = words.map(Number);
    const corners = Array.from({ length: (x.length - 10) >> 1 }, (_, k) => x.slice(10 + 2 * k, 12 + 2 * k));
    const whole = Object.hasOwn(KINDS, kind) && x.every(Number.isFinite) && corners.length > 2;
    return whole && { kind, eye: x.slice(0, 3), target: x.slice(3, 6), axis: x[6], first: x[7], last: x[8], peel: x[9], corners };
  });
  return loops.filter(Boolean);
}

/** Right, up and ahead, as a camera has them. */
function axesOf({ eye, target }) {
  const ahead = new THREE.Vector3(...target).sub(new THREE.Vector3(...eye)).normalize();
  const right = ahead.clone().cross(new THREE.Vector3(0, 1, 0)).normalize();
  return [right, right.clone().cross(ahead), ahead];
}

function within(corners, x, y) {
  let inside = false;
  for (let k = 0, j = corners.length - 1; k < corners.length; j = k++) {
    const [[a, b], [c, d]] = [corners[k], corners[j]];
    if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) inside = !inside;
  }
  return inside;
}

/** Uint8Array[n]: 1 for neurons that the loops select; null without loops. */
export function inLoops(loops, cloud) {
  if (loops.length === 0) return null;
  const { population, n, world } = cloud;
  const chosen = new Uint8Array(n);
  const { low, step } = population.head.places;
  const m = world.elements;
  for (const loop of loops) {
    const axes = axesOf(loop);
    // from steps to the right, up and ahead of the eye
    const rows = axes.map(({ x, y, z }) => [0, 4, 8, 12].map((k) => x * m[k] + y * m[k + 1] + z * m[k + 2]));
    rows.forEach((row, k) => (row[3] -= axes[k].dot(new THREE.Vector3(...loop.eye))));
    const [xs, ys] = [0, 1].map((k) => loop.corners.map((corner) => corner[k]));
    const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const p = population.position;
    for (let i = 0; i < n; i++) {
      const at = (row) => row[0] * p[4 * i] + row[1] * p[4 * i + 1] + row[2] * p[4 * i + 2] + row[3];
      const ahead = at(rows[2]);
      const [x, y] = [at(rows[0]) / ahead, at(rows[1]) / ahead];
      let inside = ahead > 0 && x >= left && x <= right && y >= bottom && y <= top && within(loop.corners, x, y);
      if (inside && loop.axis >= 0) {
        const mm = (low[loop.axis] + step * p[4 * i + loop.axis]) / 1000;
        inside = mm >= loop.first && mm <= loop.last;
      }
      if (inside && loop.peel > 0) inside = !cloud.peels(i, loop.peel);
      if (loop.kind === "within") chosen[i] &= inside;
      else if (loop.kind === "without") chosen[i] &= !inside;
      else if (loop.kind === "new") chosen[i] = inside;
      else chosen[i] |= inside;
    }
  }
  return chosen;
}

/** Fewer corners: those that lie far enough from the last. */
function simplified(points) {
  for (let least = LEAST; ; least *= 1.3) {
    const kept = points.slice(0, 1);
    for (const [x, y] of points) {
      const [a, b] = kept.at(-1);
      if (Math.hypot(x - a, y - b) >= least) kept.push([x, y]);
    }
    if (kept.length <= MOST_CORNERS) return kept;
  }
}

/** The tool: buttons beside those of the sides, and the pen. */
export class Lasso {
  constructor(app) {
    this.app = app;
    this.stage = document.getElementById("stage");
    this.line = document.getElementById("loop");
    this.kind = ""; // of the loop that is being drawn
    const canvas = document.getElementById("canvas");
    // before the canvas hears of it, or the camera would turn
    const listen = (name, call) => this.stage.addEventListener(name, (event) => {
      if (!this.kind || event.target !== canvas) return;
      event.stopPropagation();
      call.call(this, event);
    }, true);
    listen("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.points = [[event.offsetX, event.offsetY]];
    });
    listen("pointermove", (event) => {
      if (!this.points) return;
      this.points.push([event.offsetX, event.offsetY]);
      put(this.line, html`<polygon points="${this.points.map((p) => p.join()).join(" ")}"/>`);
    });
    listen("pointerup", this.close);
    listen("pointercancel", () => this.begin(""));
    app.state.on(["lasso", "view"], () => this.begin(""));
  }

  /** Draw a loop of a kind; "" puts the pen away. */
  begin(kind) {
    this.kind = kind;
    this.points = null;
    this.stage.classList.toggle("drawing", kind !== "");
    put(this.line, html``);
    this.render();
  }

  close() {
    const { app, kind } = this;
    const { stage, state } = app;
    const points = simplified(this.points ?? []);
    this.begin("");
    if (points.length < 3) return;
    const { axis, first, last } = app.cut();
    const tall = Math.tan((stage.camera.fov * Math.PI) / 360);
    const corners = points.map(([x, y]) => [((2 * x) / stage.width - 1) * tall * stage.camera.aspect, (1 - (2 * y) / stage.height) * tall]);
    const loop = { kind, eye: stage.camera.position.toArray(), target: stage.controls.target.toArray(), axis, first, last, peel: state.get("peel"), corners };
    const before = kind === "new" ? [] : read(state.get("lasso"));
    state.set({ lasso: written([...before, loop]) });
  }

  render() {
    const box = document.getElementById("lasso");
    if (!box) return;
    const kinds = this.app.state.get("lasso") ? Object.keys(KINDS) : ["new"];
    put(box, html`${kinds.map((kind) => html`<button data-kind="${kind}" aria-pressed="${this.kind === kind}" title="${KINDS[kind][1]}">${KINDS[kind][0]}</button>`)}${this.kind ? html`<span>Draw a loop</span>` : ""}`);
    box.onclick = (event) => {
      const { kind } = event.target.closest("button")?.dataset ?? {};
      if (kind) this.begin(this.kind === kind ? "" : kind);
    };
  }
}
