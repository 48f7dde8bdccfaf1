// A picture of what one sees, to keep: with names, scale bar, colours, clock, and what it shows, as PNG.

import { html, put } from "./markup.js";
import { peelWords } from "./cut.js";
import { placeOf } from "./neuron_view.js";
import { css, theme } from "./palettes.js";
import { save } from "./selection.js";
import { figure } from "./studio.js";

export const PRINT = { mm: 180, dpi: 300 }; // width of a page's two columns
const RAMP = 150; // px, of a range of colours
const MOST_COLOURS = 9; // values of a facet that a legend names
const MOST_PIXELS = 4096; // of a side, which every graphics card can draw

/** Ask how, and save. */
export function offerPhoto(dialog, app) {
  const wide = Math.floor((PRINT.mm / 25.4) * PRINT.dpi);
  put(dialog, html`<h2>Picture</h2>
    <label class="row"><span>Label</span><input name="label" value="${label(app)}" maxlength="120"></label>
    <label class="row"><span>Show</span><select name="show"><option value="photo">what is on the screen</option><option value="figure">cortex, column and neuron</option></select></label>
    <label class="row"><span>Size</span><select name="size"><option value="print">${PRINT.mm} mm at ${PRINT.dpi} dpi (${wide} px)</option><option value="screen">as on the screen</option></select></label>
    <label class="row"><span>Page</span><select name="theme"><option value="">as on the screen</option><option value="dark">dark</option><option value="light">light</option></select></label>
    <label class="check"><input type="checkbox" name="caption" checked> Caption, colours and clock</label>
    <div class="actions"><button data-do="save">Save PNG</button><button data-do="close" class="quiet">Close</button></div>`);
  const value = (name) => dialog.querySelector(`[name=${name}]`);
  value("show").onchange = () => {
    for (const name of ["label", "size", "caption"]) value(name).disabled = value("show").value === "figure"; // it has its own
  };
  dialog.onclick = async (event) => {
    const what = event.target.closest("button")?.dataset.do;
    if (what === "save") {
      const options = { label: value("label").value, size: value("size").value, theme: value("theme").value, caption: value("caption").checked };
      try {
        if (value("show").value === "photo") save(await photo(app, options), fileName(app));
        else {
          put(dialog, html`<p>Drawing the figure …</p>`);
          save(await figure(app, { addresses: [app.state.toHash()], page: options.theme }), fileName(app).replace(/_[^_]*_[^_]*$/, "_figure.png"));
        }
      } catch (error) {
        app.notice(String(error.message));
      }
    }
    if (what) dialog.close();
  };
  dialog.showModal();
}

/** The picture as a PNG. */
export async function photo(app, { label: words, size = "print", theme: page = "", caption = true }) {
  const { stage, state } = app;
  const was = { theme: state.get("theme"), ratio: stage.ratio };
  let ratio = size === "print" ? ((PRINT.mm / 25.4) * PRINT.dpi) / stage.width : Math.max(was.ratio, 1);
  ratio = Math.min(ratio, MOST_PIXELS / stage.width, MOST_PIXELS / stage.height);
  const canvas = document.createElement("canvas");
  if (page && page !== (app.dark() ? "dark" : "light")) state.set({ theme: page });
  else page = "";
  try {
    const base = stage.snapshot(ratio);
    canvas.width = base.width;
    const lines = caption ? captionLines(app) : [];
    const measure = canvas.getContext("2d");
    const legend = caption ? colours(app) : null;
    const foot = layFoot(measure, { words, lines, legend, width: stage.width });
    canvas.height = base.height + Math.round(foot.height * ratio);
    const pen = canvas.getContext("2d");
    pen.fillStyle = css(theme().background);
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(base, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    overlays(pen, app);
    pen.translate(0, stage.height);
    foot.draw(pen);
  } finally {
    if (page) state.set({ theme: was.theme });
    stage.resize();
  }
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (!blob) throw new Error("The browser could not draw a picture of this size. Take it as on the screen.");
  const dpi = size === "print" ? canvas.width / (PRINT.mm / 25.4) : 96 * ratio;
  const text = [words, ...captionLines(app)].filter(Boolean).join("\n");
  return new Blob([withFacts(new Uint8Array(await blob.arrayBuffer()), dpi, text)], { type: "image/png" });
}

function fileName(app) {
  const { head } = app.population;
  const parts = [head.title || "isocortex", app.stage.name, `${app.now().toFixed(1)}ms`];
  return `${parts.join("_").replace(/[^\w.-]+/g, "_")}.png`;
}

/** What is shown, in a few words. */
export function label(app) {
  const { population, state, stage } = app;
  if (stage.name === "neuron" && state.get("neuron") >= 0) return app.describe(state.get("neuron"));
  if (stage.name === "column") return [document.getElementById("area")?.value, document.getElementById("side")?.value].filter(Boolean).join(", ") || "Branches";
  return population.primary.values[population.pickedCode(state.get("picked"))]?.name ?? (population.head.frame === "ccf" ? "Cortex" : "Network");
}

/** Where it comes from: circuit, seed, step, version; and what is cut off. */
export function captionLines(app, { slab = true } = {}) {
  const { population, state, stage, spikes } = app;
  const { head } = population;
  const member = app.member();
  const shown = member.reduce((a, b) => a + b, 0);
  const { total } = population; // of which some may still be on their way
  const count = `${shown === total ? "" : `${shown.toLocaleString()} of `}${total.toLocaleString()} neurons`;
  const made = [head.title, count, head.scale && `scale ${head.scale}`, head.seed !== null && `seed ${head.seed}`, head.dt && `dt ${head.dt} ms`, head.simulator];
  const view = [spikes.awaits ? "not run yet" : `t = ${app.now().toFixed(1)} ms of ${+spikes.duration.toFixed(1)} ms`];
  if (stage.name === "cortex") {
    const { axis, first, last } = app.cut();
    if (axis >= 0) view.push(`${state.get("slice")} slice from ${first.toFixed(2)} mm, ${state.get("thick") >= 100 ? "to the end" : `${(last - first).toFixed(2)} mm thick`}`);
    if (state.get("peel") > 0) view.push(`peeled: ${peelWords(population, state.get("peel"))}`);
  }
  const { data } = app.neuronView;
  const probe = stage.name === "neuron" ? app.neuronView.probed(data) : -1;
  if (probe >= 0) view.push(`probe: ${placeOf(data, probe)}`);
  if (slab && stage.name === "column") view.push(document.querySelector("#presets span")?.textContent);
  return [view.filter(Boolean).join(" · "), made.filter(Boolean).join(" · ")];
}

/** What the colours of the neurons mean, where they are few enough to be named. */
export function colours(app) {
  if (app.stage.name === "neuron") return app.studio ? app.neuronView.legend() : null; // it is on the picture
  const key = app.colourKey();
  const { population } = app;
  if (!app.colourTable()) {
    const { title, ramp, marks } = app.scale();
    return { title, ramp: ramp.map(css), marks };
  }
  const facet = population.facets.find((f) => f.key === key);
  const away = new Set(app.state.get("hidden")[key] ?? []);
  const named = facet.values.map((v, k) => [v.name, css(app.colourTable()[k])]).filter(([name]) => !away.has(name));
  return named.length <= MOST_COLOURS ? { title: facet.title, named } : { title: `Colours: ${facet.title.toLowerCase()}`, named: [] };
}

/** A font of the page. */
export const fonts = (weight, size) => `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;

/** The band below the picture: its height, and what draws it. */
export function layFoot(pen, { words, lines, legend, width, margin = 14 }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const marks = []; // [x, y, what to draw]
  let y = 10;
  const put = (text, weight, size, ink) => {
    pen.font = fonts(weight, size);
    let line = "";
    const flush = () => {
      const [now, at] = [line, (y += size + 4)];
      marks.push((p) => ((p.font = fonts(weight, size)), (p.fillStyle = ink), p.fillText(now, margin, at)));
      line = "";
    };
    for (const word of text.split(" ")) {
      if (line && pen.measureText(`${line} ${word}`).width > width - 2 * margin) flush();
      line = line ? `${line} ${word}` : word;
    }
    if (line) flush();
  };
  if (words) put(words, 600, 14, colour("ink"));
  if (legend) {
    pen.font = fonts(400, 11);
    let x = margin;
    y += 18;
    const write = (text, ink) => {
      const [at, line] = [x, y];
      marks.push((p) => ((p.font = fonts(400, 11)), (p.fillStyle = ink), p.fillText(text, at, line)));
      x += pen.measureText(text).width + 6;
    };
    write(legend.title, colour("faint"));
    if (legend.ramp) {
      const [at, line, wide] = [x, y, Math.min(RAMP, width - margin - x)];
      marks.push((p) => {
        p.fillStyle = p.createLinearGradient(at, 0, at + wide, 0);
        legend.ramp.forEach((shade, k) => p.fillStyle.addColorStop(k / (legend.ramp.length - 1), shade));
        p.fillRect(at, line - 8, wide, 7);
        p.font = fonts(400, 11);
        p.fillStyle = colour("ink");
        legend.marks.forEach((text, k) => p.fillText(text, at + (k / (legend.marks.length - 1)) * (wide - p.measureText(text).width), line + 11));
      });
      y += 14;
      if (legend.named) [x, y] = [margin, y + 17];
    }
    for (const [name, shade] of legend.named ?? []) {
      if (x + 16 + pen.measureText(name).width > width - margin) {
        x = margin;
        y += 15;
      }
      const [at, line] = [x, y];
      marks.push((p) => {
        p.fillStyle = shade;
        p.beginPath();
        p.arc(at + 4, line - 4, 4, 0, 2 * Math.PI);
        p.fill();
      });
      x += 12;
      write(name, colour("ink"));
    }
    y += 2;
  }
  for (const line of lines) put(line, 400, 11, colour("faint"));
  const height = words || lines.length || legend ? y + 12 : 0;
  return { height, draw: (p) => marks.forEach((mark) => mark(p)) };
}

/** Names, bars, rings, colours and axes that lie over the picture as elements of the page. */
export function overlays(pen, app) {
  const { canvas } = app.stage;
  const { left, top } = canvas.getBoundingClientRect();
  const background = css(theme().background);
  const visible = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;
  pen.textBaseline = "alphabetic";
  for (const box of ["labels", "key"].map((id) => document.getElementById(id))) {
    for (const element of box.querySelectorAll("*")) {
      if (!visible(element)) continue;
      const style = getComputedStyle(element);
      const rect = element.getBoundingClientRect();
      const [x, y] = [rect.left - left, rect.top - top];
      if (element.classList.contains("ring")) {
        pen.strokeStyle = style.borderColor;
        pen.lineWidth = 1.5;
        pen.beginPath();
        pen.arc(x + rect.width / 2, y + rect.height / 2, rect.width / 2, 0, 2 * Math.PI);
        pen.stroke();
      } else if (element.tagName === "I" && !element.textContent) fill(pen, style, x, y, rect, element.dataset.css ?? "");
      else if (parseFloat(style.borderBottomWidth) >= 2) {
        pen.fillStyle = style.borderBottomColor;
        pen.fillRect(x, y + rect.height - 2, rect.width, 2);
      }
      if (element.tagName === "SELECT") word(pen, style, element.selectedOptions[0]?.textContent ?? "", x + 4, y + rect.height - 6, background);
      else if (element.tagName !== "OPTION") texts(pen, element, style, left, top, background);
    }
  }
  axes(pen, app, left, top);
}

function texts(pen, element, style, left, top, background) {
  for (const node of element.childNodes) {
    if (node.nodeType !== Node.TEXT_NODE || !node.textContent.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rect = range.getBoundingClientRect();
    word(pen, style, node.textContent.trim(), rect.left - left, rect.bottom - top - 0.24 * rect.height, background);
  }
}

/** A text with the page's colour around it, so that it can be read on anything. */
function word(pen, style, text, x, y, background) {
  pen.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  pen.globalAlpha = parseFloat(style.opacity);
  pen.strokeStyle = background;
  pen.lineWidth = 2.5;
  pen.lineJoin = "round";
  pen.strokeText(text, x, y);
  pen.fillStyle = style.color;
  pen.fillText(text, x, y);
  pen.globalAlpha = 1;
}

/** A patch of colour of a legend: a dot, a dash or a ramp. */
function fill(pen, style, x, y, { width, height }, given) {
  const stops = given.match(/rgb\([^)]*\)/g) ?? [];
  pen.fillStyle = style.backgroundColor;
  if (stops.length > 1) {
    const ramp = pen.createLinearGradient(x, 0, x + width, 0);
    stops.forEach((stop, k) => ramp.addColorStop(k / (stops.length - 1), stop));
    pen.fillStyle = ramp;
  }
  pen.beginPath();
  pen.roundRect(x, y, width, height, Math.min(parseFloat(style.borderRadius) || 0, width / 2, height / 2) || (style.borderRadius.includes("%") ? width / 2 : 0));
  pen.fill();
}

/** Letters around the axes of the atlas. */
function axes(pen, app, left, top) {
  const box = document.getElementById("compass");
  if (box.hidden || app.stage.name !== "cortex") return;
  const rect = box.getBoundingClientRect();
  const [x, y] = [rect.left - left, rect.top - top];
  for (const part of box.querySelectorAll("line, text")) {
    const style = getComputedStyle(part);
    const at = (name) => parseFloat(part.getAttribute(name));
    if (part.tagName === "line") {
      pen.strokeStyle = style.stroke;
      pen.lineWidth = 1.2;
      pen.beginPath();
      pen.moveTo(x + at("x1"), y + at("y1"));
      pen.lineTo(x + at("x2"), y + at("y2"));
      pen.stroke();
    } else {
      pen.font = `${style.fontSize} ${style.fontFamily}`;
      pen.textAlign = "center";
      pen.fillStyle = style.fill;
      pen.globalAlpha = at("opacity");
      pen.fillText(part.textContent, x + at("x"), y + at("y"));
    }
  }
  pen.globalAlpha = 1;
  pen.textAlign = "start";
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function chunk(type, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  let crc = 0xffffffff;
  for (let k = 4; k < 8 + data.length; k++) crc = CRC[(crc ^ bytes[k]) & 255] ^ (crc >>> 8);
  view.setUint32(8 + data.length, ~crc >>> 0);
  return bytes;
}

/** The PNG with its resolution, so that it is printed at its size, and with its caption as text. */
export function withFacts(png, dpi, text) {
  const density = new Uint8Array(9);
  const view = new DataView(density.buffer);
  view.setUint32(0, Math.round(dpi / 0.0254));
  view.setUint32(4, Math.round(dpi / 0.0254));
  density[8] = 1; // metres
  const words = new TextEncoder().encode(`Description\0\0\0\0\0${text}`);
  const header = 33; // signature and the first chunk
  const parts = [png.subarray(0, header), chunk("pHYs", density), chunk("iTXt", words), png.subarray(header)];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
