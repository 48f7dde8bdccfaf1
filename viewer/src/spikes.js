// All spikes there are, in chunks that are sorted by time each; chunks of a run that goes on may overlap.

import { exported, fetchBlock, fetchStatus } from "./source.js";

/** Index of the first element of a sorted array that is not below `value`. */
export function lowerBound(sorted, value, count = sorted.length) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Spikes {
  constructor() {
    this.chunks = [];
    this.epoch = -1;
    this.total = 0;
    this.running = false;
    this.reached = 0;
    this.duration = 1;
    this.version = 0; // grows with every change
  }

  /** Fetch what is new; true if something was. */
  async update() {
    const status = await fetchStatus();
    const before = this.version;
    if (status.epoch !== this.epoch) {
      this.chunks = [];
      this.epoch = status.epoch;
      this.total = 0;
      this.version++;
    }
    if (this.running !== status.running || this.reached !== status.reached) this.version++;
    this.running = status.running;
    this.reached = status.reached;
    this.duration = status.duration;
    this.strangers = status.strangers;
    while (this.chunks.length < status.chunks.length) {
      const buffer = await fetchBlock(`spikes/${this.epoch}/${this.chunks.length}`);
      if (buffer === null) break; // the run ended meanwhile: the next look finds a new epoch
      const count = buffer.byteLength / 8;
      this.chunks.push({
        time: new Float32Array(buffer, 0, count),
        neuron: new Uint32Array(buffer, 4 * count, count),
      });
      this.total += count;
      this.version++;
    }
    return this.version !== before;
  }

  get live() {
    return this.running && !exported();
  }

  /** Call `visit(time, neuron, begin, end)` for the part of every chunk within [from, to). */
  within(from, to, visit) {
    for (const { time, neuron } of this.chunks) {
      const begin = lowerBound(time, from);
      const end = lowerBound(time, to);
      if (end > begin) visit(time, neuron, begin, end);
    }
  }

  /** Uint32Array[n]: spikes of every neuron. */
  counts(n) {
    const counts = new Uint32Array(n);
    for (const { neuron } of this.chunks) for (const i of neuron) counts[i]++;
    return counts;
  }

  /** Float32Array: times of one neuron's spikes, ascending. */
  of(number) {
    const times = [];
    for (const { time, neuron } of this.chunks)
      for (let k = 0; k < neuron.length; k++) if (neuron[k] === number) times.push(time[k]);
    return Float32Array.from(times).sort();
  }
}
