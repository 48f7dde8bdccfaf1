// A selection as the target of an experiment: the small file that says so, and how to run it.

import { html } from "./markup.js";

const START = 500; // ms, of a change: until then the cortex settles
const SEEDS = 4;

/** What may be done: function of isocortex.experiment, its number with words, and what else it takes. */
export const CHANGES = {
  lesion: { title: "cut them off", of: "node_set" },
  lose: { title: "lose a share of them", of: "node_set", number: "share", value: 0.5, words: "0 to 1", most: 1 },
  onto: { title: "synapses onto them", make: "synapses", of: "target", number: "weight", value: 0.5, words: "times" },
  inhibition: { title: "inhibition onto them", make: "synapses", of: "target", number: "weight", value: 0, words: "times", more: { source: { ei: "i" } } },
  from: { title: "synapses from them", make: "synapses", of: "source", number: "weight", value: 0.5, words: "times" },
  current: { title: "a current into their somata", of: "node_set", number: "amp", value: 0.05, words: "nA", least: "" },
  channel: { title: "their sodium channels", of: "node_set", number: "gbar", value: 0.5, words: "times", more: { mechanisms: "NaTs NaV" } },
};

/** A file of a study whose arm does `kind` to the nodes of `selection`; of other circuits than ours a script. */
export function study(head, selection, kind, number) {
  const { title, make = kind, of, number: name, more = {} } = CHANGES[kind];
  const sets = Array.isArray(selection.query) ? selection.query : [selection.query];
  const changes = sets.map((query) => ({ [make]: { ...more, [of]: query, ...(name ? { [name]: number } : {}), start: START } }));
  const file = `${selection.name}_${kind}`;
  if (!head.recipe) return { name: `${file}.py`, text: script(head, file, changes), command: `python ${file}.py` };
  const { seed, scale, ...recipe } = head.recipe;
  // by id they are neurons of one animal
  const ids = sets.some((query) => "node_id" in query);
  const seeds = ids ? [seed] : Array.from({ length: SEEDS }, (_, k) => k + 1);
  const tstop = Math.max(2000, Math.ceil(head.duration / 500) * 500);
  const words = { title: `${selection.name.replaceAll("_", " ")}: ${title}`, question: "What follows?", scale, seeds, tstop };
  const lines = [
    ...(ids ? [`# Nodes by id are of one animal, seed ${seed}: other seeds have others.`] : []),
    ...Object.entries(words).map(([key, value]) => `${key} = ${toml(value)}`),
    ...(Object.keys(recipe).length ? [`recipe = ${toml(recipe)}`] : []),
    "", "[[arms]]", 'name = "control"', "", "[[arms]]", 'name = "changed"', `changes = ${toml(changes)}`,
  ];
  return { name: `${file}.toml`, text: lines.join("\n"), command: `isocortex experiment run ${file}.toml -o ${file}` };
}

/** Of a circuit that no recipe makes: its simulation once more, changed. */
function script(head, file, changes) {
  const made = changes.map((change) => Object.entries(change).map(([make, values]) => `ex.${make}(${Object.entries(values).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", ")})`));
  return ["import isocortex as ic", "from isocortex import experiment as ex", "from isocortex.circuit.force import with_changes", "",
    `simulation = ic.load_simulation(${JSON.stringify(head.config ?? "simulation_config.json")})`,
    `changes = [${made.join(", ")}]`,
    `ic.run(with_changes(simulation, changes), output_dir=${JSON.stringify(file)})`].join("\n");
}

/** A value as TOML has it: texts and lists as JSON has them, tables in one line. */
function toml(value) {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (typeof value === "object") return `{ ${Object.entries(value).map(([key, v]) => `${/^[\w-]+$/.test(key) ? key : text(key)} = ${toml(v)}`).join(", ")} }`;
  return typeof value === "string" ? text(value) : String(value);
}

const text = (words) => JSON.stringify(words).replaceAll("\x7f", "\\u007f");

/** The part of the dialog of a selection that makes the file. */
export const studyForm = (kind, { count, place }, placed) => {
  const { number, value, words, least = 0, most = "" } = CHANGES[kind];
  const whom = place
    ? html`<label class="row"><span>Whom</span><select name="whom"><option value="place" ${placed ? "selected" : ""}>who is at this place, in every animal</option>
      <option value="ids" ${placed ? "" : "selected"}>these neurons, of this animal alone</option></select></label>
      ${placed ? html`<p class="note">Within ${place.near.um} µm of ${place.near.points.length} points: here ${place.count.toLocaleString()} neurons, among them ${place.both.toLocaleString()} of the ${count.toLocaleString()} selected.</p>` : ""}`
    : "";
  return html`${whom}<label class="row"><span>Change</span><select name="change">${Object.entries(CHANGES).map(([key, { title }]) => html`<option value="${key}" ${key === kind ? "selected" : ""}>${title}</option>`)}</select></label>
    ${number ? html`<label class="row"><span>${number}</span><span><input name="number" type="number" step="any" required min="${least}" max="${most}" value="${value}"> ${words}</span></label>` : ""}`;
};
