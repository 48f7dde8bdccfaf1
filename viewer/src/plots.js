// Small plots beside the picture, drawn by uPlot, with the time cursor of all others.

import uPlot from "uplot";
import { html, stacked } from "./markup.js";
import { theme } from "./palettes.js";

const GRID = 0.6;

/** uPlot in our dress. `x` and `y` are labels with units; `logs` puts both axes on log scales. */
export class Plot {
  constructor(parent, { x, y, app, height = 118, logs = false, zero = false }) {
    this.options = { x, y, app, height, logs, zero };
    this.parent = parent;
    this.box = document.createElement("div");
    this.box.className = "chart";
    parent.append(this.box);
    this.series = "";
    new ResizeObserver(() => this.plot?.setSize({ width: this.box.clientWidth, height })).observe(this.box);
  }

  /** `lines`: {label, values, colour, width} each; all over `xs`. */
  show(xs, lines, { restyle = false, range = null } = {}) {
    const series = JSON.stringify(lines.map(({ label, colour }) => [label, colour]));
    this.range = range;
    if (series !== this.series || restyle || !this.plot) {
      this.series = series;
      this.make(lines);
    }
    this.plot.setData([xs, ...lines.map((line) => line.values)]);
    this.cursor(this.time);
  }

  make(lines) {
    const { x, y, app, height, logs, zero } = this.options;
    const { faint, line, ink } = theme();
    this.plot?.destroy();
    const axis = (label, side) => ({
      stroke: faint,
      grid: { stroke: line, width: GRID },
      ticks: { stroke: line, width: GRID, size: 3 },
      font: "10px system-ui, sans-serif",
      labelFont: "10px system-ui, sans-serif",
      label,
      labelSize: side ? 14 : 13,
      labelGap: 0,
      size: side ? (_, values) => Math.max(34, 10 + 6 * Math.max(...(values ?? [""]).map((v) => (v ?? "").length))) : 20,
      gap: 3,
      space: side ? 26 : 52,
      ...(!logs ? { values: (_, splits, _axis, _space, step) => splits.map((v) => short(v, step)) } : {}),
      ...(logs ? { values: (_, splits) => splits.map((v) => (v === null ? null : logLabel(v))) } : {}),
    });
    this.plot = new uPlot(
      {
        width: Math.max(this.box.clientWidth, 100),
        height,
        padding: [6, 12, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false } },
        scales: {
          x: { time: false, ...(logs ? { distr: 3 } : {}), range: (_, a, b) => this.range ?? [a, b] },
          y: logs ? { distr: 3 } : zero ? { range: (_, _a, top) => [0, top > 0 ? top * 1.08 : 1] } : {},
        },
        axes: [axis(x, 0), axis(y, 1)],
        series: [{}, ...lines.map(({ label, colour, width = 1.2, fill }) => ({ label, stroke: colour, width, fill, points: { show: false } }))],
        hooks: { draw: [(u) => this.drawCursor(u, ink)] },
      },
      [[], ...lines.map(() => [])],
      this.box,
    );
    const { over } = this.plot;
    if (!logs) over.addEventListener("click", (event) => app.seek(this.plot.posToVal(event.offsetX, "x")));
    over.addEventListener("mousemove", (event) => app.tip(() => this.tell(event.offsetX), event));
    over.addEventListener("mouseleave", () => app.tip(null));
    this.mark = document.createElement("div");
    this.mark.className = "cursor";
    this.mark.hidden = true;
    this.plot.over.append(this.mark);
  }

  /** The values under the pointer, with their units. */
  tell(offset) {
    const { x, y } = this.options;
    const at = this.plot.posToIdx(offset);
    const [xs, ...lines] = this.plot.data;
    if (xs[at] === undefined) return null;
    const words = (label) => label.match(/^(.*) \((.*)\)$/).slice(1);
    const [name, unit] = words(y);
    const values = lines.map((values, k) => html`${lines.length > 1 ? this.plot.series[k + 1].label : name}: <b>${+values[at].toPrecision(3)}</b> ${unit}`);
    return stacked([`${+xs[at].toFixed(3)} ${words(x)[1]}`, ...values]);
  }

  drawCursor() {
    this.cursor(this.time);
  }

  cursor(t) {
    this.time = t;
    if (!this.plot || this.options.logs || t === undefined) return;
    const { min, max } = this.plot.scales.x;
    this.mark.hidden = !(t >= min && t <= max);
    if (!this.mark.hidden) this.mark.style.transform = `translateX(${this.plot.valToPos(t, "x").toFixed(1)}px)`;
  }

  dispose() {
    this.plot?.destroy();
    this.box.remove();
  }
}

/** A number with the digits that tell it from one a step away. */
const short = (v, step) => String(+v.toFixed(Math.min(Math.max(1 - Math.floor(Math.log10(step)), 0), 20)));

const SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function logLabel(v) {
  const power = Math.log10(v);
  if (Math.abs(power - Math.round(power)) > 1e-6) return "";
  if (v >= 0.1 && v <= 1000) return String(+v.toPrecision(1));
  const digits = [...String(Math.abs(Math.round(power)))].map((d) => SUPER[+d]).join("");
  return `10${power < 0 ? "⁻" : ""}${digits}`;
}
