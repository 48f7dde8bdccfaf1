// What was recorded in the compartments of a neuron: codes of two bytes, from 0 for the report's least value to its
// `levels` for the largest. They come as differences from sample to sample.

const ABSENT = 0xffff; // the compartment has no such variable

const decoded = ({ low, high, levels }, code) => (code === ABSENT ? NaN : low + ((high - low) / levels) * code);

/** A neuron whose recordings are codes again; null if it is. */
export function restored(data) {
  const n = data?.arrays.kind?.length;
  data?.head.reports.forEach((_, r) => {
    const codes = data.arrays[`colour${r}`];
    for (let k = n; k < codes?.length; k++) codes[k] += codes[k - n];
  });
  return data;
}

/** Whether a compartment has the variable. */
export const present = (codes, compartment) => codes[compartment] !== ABSENT;

/** Float32Array[n]: value of every compartment at a time (ms), in units of the report; NaN where there is none. */
export function valuesAt(report, codes, n, t) {
  const rows = codes.length / n;
  const at = Math.min(Math.max((t - report.first) / report.dt, 0), rows - 1);
  const [a, b] = [Math.floor(at), Math.min(Math.floor(at) + 1, rows - 1)];
  return Float32Array.from({ length: n }, (_, k) => {
    const [x, y] = [a, b].map((row) => decoded(report, codes[row * n + k]));
    return x + (y - x) * (at - a);
  });
}

/** Float32Array: values of one compartment over time. */
export const valuesOf = (report, codes, n, compartment) =>
  Float32Array.from({ length: codes.length / n }, (_, row) => decoded(report, codes[row * n + compartment]));
