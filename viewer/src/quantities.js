// What reports hold: its name in words, its unit as it is read best, and how its values become colours.

import { CALM, CALM_LIGHT, INFERNO, PLASMA } from "./palettes.js";

const IONS = { na: "Sodium", k: "Potassium", ca: "Calcium" };
const SYNAPSES = { exc: "Excitatory synaptic", inh: "Inhibitory synaptic", syn: "Synaptic" };
const NAMED = {
  v: "Membrane voltage", cai: "Calcium", i_membrane: "Membrane current",
  vext: "Potential outside", e_extracellular: "Potential outside",
};
/** Unit of a report -> those it may be shown in: [least value from which on, factor, unit]. */
const UNITS = {
  mM: [[0.1, 1, "mM"], [0, 1e3, "µM"]],
  "mA/cm2": [[0.1, 1, "mA/cm²"], [1e-4, 1e3, "µA/cm²"], [1e-7, 1e6, "nA/cm²"], [0, 1e9, "pA/cm²"]],
  "S/cm2": [[0.1, 1, "S/cm²"], [1e-4, 1e3, "mS/cm²"], [1e-7, 1e6, "µS/cm²"], [0, 1e9, "nS/cm²"]],
  uS: [[0.1, 1, "µS"], [1e-4, 1e3, "nS"], [0, 1e6, "pS"]],
  nA: [[0.1, 1, "nA"], [0, 1e3, "pA"]],
};

/** What a variable is called. */
export function title(variable) {
  if (NAMED[variable]) return NAMED[variable];
  const [first, ...rest] = variable.split("_");
  const channel = rest.join("_");
  const ion = IONS[first.slice(1)];
  if (first[0] === "i" && ion) return channel ? `${ion} current of ${channel}` : `${ion} current`;
  if ((first === "i" || first === "g") && SYNAPSES[channel]) return `${SYNAPSES[channel]} ${first === "i" ? "current" : "conductance"}`;
  if (first === "g" && channel) return `Conductance of ${channel}`;
  if (first === "i" && channel) return `Current of ${channel}`;
  if (channel && first.length <= 2) return `State ${first} of ${channel}`;
  return variable;
}

/** How a report of `variable` in `units` with values from `low` to `high` is shown. */
export function quantity({ variable, units, low, high }) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  const [, factor, unit] = (UNITS[units] ?? []).find(([least]) => most >= least) ?? [0, 1, units === "1" ? "" : units];
  const state = title(variable).startsWith("State ");
  const current = /^i/.test(variable) && /A/.test(units);
  const signed = /^i/.test(variable) || (low < 0 && high > 0 && variable !== "v");
  let ends;
  if (variable === "v") ends = [Math.floor(Math.max(low, -100) / 5) * 5, Math.ceil(Math.min(high, 60) / 5) * 5];
  else if (variable === "cai") ends = [Math.max(low, high * 1e-4, 1e-12), 0];
  else if (signed) ends = [-(most || 1), most || 1]; // zero is in the middle
  else if (state) ends = [0, 1];
  else ends = [low >= 0 && low < 0.2 * high ? 0 : low, high];
  if (variable === "cai") ends[1] = Math.max(high, ends[0] * 1.01);
  if (!(ends[1] > ends[0])) ends[1] = ends[0] + (Math.abs(ends[0]) || 1);
  const [a, b] = ends;
  const log = variable === "cai";
  return {
    title: title(variable), unit, factor, signed, current, log, low: a, high: b,
    /** 0..1 of a value, and back. */
    shade: (value) => (log ? Math.log(Math.max(value, a) / a) / Math.log(b / a) : (value - a) / (b - a)),
    at: (x) => (log ? a * (b / a) ** x : a + x * (b - a)),
    text: (value) => tidy(factor * value, variable === "v" ? 1 : 3),
    map: (dark) => (signed ? (dark ? CALM : CALM_LIGHT) : dark ? INFERNO : PLASMA),
  };
}

const tidy = (x, digits) => (digits === 1 ? x.toFixed(1) : x === 0 ? "0" : String(+x.toPrecision(digits))).replace("-", "−");
