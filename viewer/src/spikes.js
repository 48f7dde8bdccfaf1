// All spikes there are, in chunks that are sorted by time each; chunks of a run that goes on may overlap.

import { host } from "./host.js";
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
    this.total = 0; // spikes fetched
    this.expected = 0; // spikes there are
    this.promised = 0; // chunks there are
    this.running = false;
    this.reached = 0;
    this.duration = 1;
    this.version = 0; // grows when what is computed from spikes is out of date
  }

  /** Ask how far the run is and which chunks there are; true if anything changed. */
  async look() {
    const status = await fetchStatus();
    const before = [this.epoch, this.running, this.reached, this.promised].join();
    if (status.epoch !== this.epoch) {
      this.chunks = [];
      this.epoch = status.epoch;
      this.total = 0;
    }
    this.running = status.running;
    this.reached = status.reached;
    this.duration = status.duration;
    const begun = this.awaits && !status.awaits;
    this.awaits = status.awaits; // the circuit was not run yet
    if (begun) (host ?? location).reload(); // what it records is known now; the address keeps the view
    this.strangers = status.strangers;
    this.promised = status.chunks.length;
    this.expected = status.chunks.reduce((a, b) => a + b, 0);
    return before !== [this.epoch, this.running, this.reached, this.promised].join();
  }

  /** Fetch the next chunk; false if there is none to fetch. */
  async more() {
    if (this.chunks.length >= this.promised) return false;
    const { epoch } = this;
    const buffer = await fetchBlock(`spikes/${epoch}/${this.chunks.length}`);
    if (buffer === null || epoch !== this.epoch) return false; // the run ended meanwhile: look again
    const count = buffer.byteLength / 8;
    this.chunks.push({
      time: new Float32Array(buffer, 0, count),
      neuron: new Uint32Array(buffer, 4 * count, count),
    });
    this.total += count;
    return true;
  }

  get live() {
    return (this.running || this.awaits) && !exported();
  }

  /** Call `visit(time, neuron, begin, end)` for the part of every chunk within [from, to). */
  within(from, to, visit) {
    for (const { time, neuron } of this.chunks) {
      const begin = lowerBound(time, from);
      const end = lowerBound(time, to);
      if (end > begin) visit(time, neuron, begin, end);
    }
  }

  /** Uint32Array[n]: spikes of every neuron from a time on, before another. */
  counts(n, since = 0, until = Infinity) {
    const counts = new Uint32Array(n);
    this.within(since, until, (_, neuron, begin, end) => {
      for (let k = begin; k < end; k++) counts[neuron[k]]++;
    });
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
