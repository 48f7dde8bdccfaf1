// What is shown, as a node set of SONATA: an input, a report or a change can name it.

import { html, put } from "./markup.js";

/**
 * The neurons that are shown, and in the picked value if one is: by attribute, which holds at every
 * scale of a circuit, or by id where attributes do not tell them exactly.
 *
 * @returns {{name: string, query: Object, count: number}}
 */
export function nodeSet(population, hidden, picked) {
  const member = population.members(hidden, population.pickedCode(picked));
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
  const name = words.join("_").replace(/\W+/g, "_") || "selection";
  return { name, query: exact ? query : ids(population, member), count };
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

/** The text of a file of node sets; a selection of several populations by id is a list of sets. */
export function nodeSetText({ name, query }) {
  if (!Array.isArray(query)) return JSON.stringify({ [name]: query }, null, 2);
  const parts = Object.fromEntries(query.map((set) => [`${name}_${set.population}`, set]));
  return JSON.stringify({ ...parts, [name]: Object.keys(parts) }, null, 2);
}

/** Show the node set, to copy or to save. */
export function offer(dialog, selection) {
  const text = nodeSetText(selection);
  put(dialog, html`<h2>Node set “${selection.name}”: ${selection.count.toLocaleString()} neurons</h2>
    <pre>${text.length > 2000 ? `${text.slice(0, 2000)} …` : text}</pre>
    <p>Put it into the simulation's <code>node_sets_file</code>; then inputs, reports and changes can name it.</p>
    <div class="actions"><button data-do="save">Save</button><button data-do="copy">Copy</button><button data-do="close" class="quiet">Close</button></div>`);
  dialog.onclick = async (event) => {
    const what = event.target.closest("button")?.dataset.do;
    if (what === "save") save(new Blob([`${text}\n`], { type: "application/json" }), `${selection.name}.json`);
    if (what === "copy") await navigator.clipboard.writeText(text);
    if (what) dialog.close();
  };
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
