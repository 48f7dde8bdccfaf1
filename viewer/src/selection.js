// What is shown, as a node set of SONATA: an input, a report or a change can name it.

import { html, put } from "./markup.js";
import { study, studyForm } from "./study.js";

/**
 * The neurons that are shown, and in the picked value if one is: by attribute, which holds at every
 * scale of a circuit, or by id where attributes do not tell them exactly.
 *
 * @param {{words?: string[], member?: Uint8Array, place?: Function}} also what else chooses: its name, who is left,
 *   and how to tell them by where they are
 * @returns {{name: string, query: Object, count: number, place: Function | null}}
 */
export function nodeSet(population, hidden, picked, also = {}) {
  const member = also.member ?? population.members(hidden, population.pickedCode(picked));
  const names = new Set();
  let count = 0;
  for (let i = 0; i < population.n; i++)
    if (member[i]) {
      count++;
      names.add(population.head.populations[population.populationOf[i]]);
    }
  const query = { population: names.size === 1 ? [...names][0] : [...names] };
  const words = [];
  let exact = true;
  for (const [f, facet] of population.facets.entries()) {
    const away = new Set(hidden[facet.key] ?? []);
    const alone = f === 0 && picked;
    const left = alone ? [picked] : facet.values.map((v) => v.name).filter((name) => !away.has(name));
    if (left.length === facet.values.length) continue;
    if (left.length <= 3) words.push(...left);
    else if (away.size <= 3) words.push("without", ...away);
    if (facet.key === "population") continue;
    exact &&= facet.exact;
    query[facet.key] = left.length === 1 ? left[0] : left;
  }
  const name = [...words, ...(also.words ?? [])].join("_").replace(/\W+/g, "_") || "selection";
  const placed = () => {
    const place = also.place(member);
    return { ...place, query: { ...query, near: place.near } };
  };
  return { name, query: exact && !also.member ? query : ids(population, member), count, place: exact && also.place ? placed : null };
}

function ids(population, member) {
  const numbers = [...member.keys()].filter((i) => member[i]);
  const of = [...new Set(numbers.map((i) => population.populationOf[i]))];
  const sets = of.map((p) => ({
    population: population.head.populations[p],
    node_id: numbers.filter((i) => population.populationOf[i] === p).map((i) => population.nodeId[i]).sort((a, b) => a - b),
  }));
  return sets.length === 1 ? sets[0] : sets;
}

/** The text of a file of node sets, a line each; a selection of several populations by id is a list of sets. */
export function nodeSetText({ name, query }) {
  const parts = Array.isArray(query) ? Object.fromEntries(query.map((set) => [`${name}_${set.population}`, set])) : {};
  const sets = { ...parts, [name]: Array.isArray(query) ? Object.keys(parts) : query };
  return `{\n${Object.entries(sets).map(([key, set]) => `  ${JSON.stringify(key)}: ${inLine(set)}`).join(",\n")}\n}`;
}

/** JSON with a space after every comma and colon, so that it can be read and wraps. */
function inLine(value) {
  if (Array.isArray(value)) return `[${value.map(inLine).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, of]) => `${JSON.stringify(key)}: ${inLine(of)}`).join(", ")}}`;
}

/** Show the selection as a node set and as the target of an experiment, to copy or to save. */
export function offer(dialog, chosen, head) {
  const selection = { ...chosen, place: chosen.place?.() ?? null };
  const asSet = { name: `${selection.name}.json`, text: nodeSetText(selection) };
  let kind = "lesion";
  let file = asSet;
  let placed = selection.place !== null;
  const tell = (what, words) => (dialog.querySelector(`[data-do=${what}]`).textContent = words);
  const show = (made) => {
    file = made;
    tell("save", "Save");
    tell("copy", "Copy");
    dialog.querySelector("pre").textContent = made.text.length > 2000 ? `${made.text.slice(0, 2000)} …` : made.text;
    put(dialog.querySelector(".hint"), made.command
      ? html`Save it as <code>${made.name}</code>, then <code>${made.command}</code>`
      : html`Put it into the simulation's <code>node_sets_file</code>; then inputs, reports and changes can name it.`);
  };
  const showStudy = () => {
    const number = dialog.querySelector("[name=number]");
    if (number && !number.validity.valid) return;
    show(study(head, placed ? { ...selection, query: selection.place.query } : selection, kind, number && +number.value));
  };
  put(dialog, html`<h2>${selection.count.toLocaleString()} neurons: “${selection.name}”</h2>
    <div class="tabs" role="tablist"><button role="tab" data-tab="set">Node set</button><button role="tab" data-tab="study">Experiment</button></div>
    <form></form><pre></pre><p class="hint"></p>
    <div class="actions"><button data-do="save">Save</button><button data-do="copy">Copy</button><button data-do="close" class="quiet">Close</button></div>`);
  const form = dialog.querySelector("form");
  const turn = (tab) => {
    for (const button of dialog.querySelectorAll("[data-tab]")) button.setAttribute("aria-selected", button.dataset.tab === tab);
    put(form, tab === "set" ? "" : studyForm(kind, selection, placed));
    if (tab === "set") show(asSet);
    else showStudy();
  };
  form.onsubmit = (event) => event.preventDefault();
  form.oninput = ({ target }) => {
    if (target.name === "change") kind = target.value;
    if (target.name === "whom") placed = target.value === "place";
    if (target.name !== "number") put(form, studyForm(kind, selection, placed));
    showStudy();
  };
  dialog.onclick = async (event) => {
    const { do: what, tab } = event.target.closest("button")?.dataset ?? {};
    if (tab) turn(tab);
    if (["save", "copy"].includes(what) && !form.reportValidity()) return; // the file is of the number before
    if (what === "close") dialog.close();
    if (what === "save") save(new Blob([`${file.text}\n`], { type: "text/plain" }), file.name);
    if (what === "copy") await navigator.clipboard.writeText(file.text);
    if (what === "save" || what === "copy") tell(what, { save: "Saved", copy: "Copied" }[what]); // its command is still to be read
  };
  turn("set");
  dialog.showModal();
}

/** Hand a file to the browser's downloads. */
export function save(blob, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
