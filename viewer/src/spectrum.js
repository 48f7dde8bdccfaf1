// Rates in bins and their power spectrum.

/**
 * Power spectral density of a signal by Welch's method (Welch 1967, doi:10.1109/TAU.1967.1161901):
 * Hann windows that overlap by half, mean removed from each, one-sided.
 *
 * @param {ArrayLike<number>} signal
 * @param {number} rate samples a second
 * @param {number} length of a window, a power of two
 * @returns {{frequency: Float64Array, power: Float64Array, windows: number}}
 *   Hz; squared units of the signal a Hz.
 */
export function welch(signal, rate, length) {
  const half = length / 2;
  const power = new Float64Array(half + 1);
  const frequency = Float64Array.from(power, (_, k) => (k * rate) / length);
  const window = Float64Array.from(
    { length },
    (_, k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / length),
  );
  const norm = rate * window.reduce((sum, w) => sum + w * w, 0);
  let windows = 0;
  for (let first = 0; first + length <= signal.length; first += half) {
    let mean = 0;
    for (let k = 0; k < length; k++) mean += signal[first + k] / length;
    const re = new Float64Array(length);
    const im = new Float64Array(length);
    for (let k = 0; k < length; k++) re[k] = (signal[first + k] - mean) * window[k];
    fft(re, im);
    for (let k = 0; k <= half; k++) {
      const twice = k === 0 || k === half ? 1 : 2;
      power[k] += (twice * (re[k] * re[k] + im[k] * im[k])) / norm;
    }
    windows++;
  }
  for (let k = 0; k <= half; k++) power[k] /= Math.max(windows, 1);
  return { frequency, power, windows };
}

/** Fourier transform in place; the length is a power of two (Cooley & Tukey 1965). */
export function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const angle = (-2 * Math.PI) / size;
    for (let k = 0; k < size / 2; k++) {
      const c = Math.cos(angle * k);
      const s = Math.sin(angle * k);
      for (let a = k; a < n; a += size) {
        const b = a + size / 2;
        const x = re[b] * c - im[b] * s;
        const y = re[b] * s + im[b] * c;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

/** The longest window, up to about a second, that fits at least three times with half overlap. */
export function windowLength(samples, rate) {
  let length = 64;
  while (2 * length <= samples / 2 && 2 * length <= 1.1 * rate) length *= 2;
  return length;
}

/**
 * Mean rate of some neurons in bins.
 *
 * @param {Spikes} spikes
 * @param {Uint8Array} member 1 for the neurons that count
 * @param {number} bin ms
 * @returns {Float64Array} Hz a neuron
 */
export function binnedRate(spikes, member, bin, duration) {
  const rate = new Float64Array(Math.max(Math.floor(duration / bin + 1e-6), 1));
  let members = 0;
  for (const m of member) members += m;
  for (const { time, neuron } of spikes.chunks)
    for (let k = 0; k < time.length; k++)
      if (member[neuron[k]]) {
        const at = Math.floor(time[k] / bin);
        if (at < rate.length) rate[at]++;
      }
  const scale = 1000 / (bin * Math.max(members, 1));
  for (let k = 0; k < rate.length; k++) rate[k] *= scale;
  return rate;
}

/** Convolve with a Gaussian whose standard deviation is `width` samples; ends are renormalised. */
export function smooth(values, width) {
  if (!(width > 0.3)) return Float64Array.from(values);
  const reach = Math.ceil(3 * width);
  const kernel = Float64Array.from({ length: reach + 1 }, (_, k) => Math.exp(-0.5 * (k / width) ** 2));
  return Float64Array.from(values, (_, i) => {
    let sum = 0;
    let weight = 0;
    for (let k = -reach; k <= reach; k++)
      if (i + k >= 0 && i + k < values.length) {
        sum += kernel[Math.abs(k)] * values[i + k];
        weight += kernel[Math.abs(k)];
      }
    return sum / weight;
  });
}
