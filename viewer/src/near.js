// A place in the brain as points: who lies near one of them is meant, in this animal and in any other.

const LEAST = 120; // um, between points
const MOST = 400; // points

/** Cubes with an edge of `side` um around the places of some neurons. */
function cubes(population, numbers, side) {
  const found = new Map();
  for (const i of numbers) {
    const key = population.place(i).map((x) => Math.floor(x / side)).join();
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(i);
  }
  return found;
}

/**
 * Points among the chosen neurons, and how near to one of them a neuron lies that is meant.
 *
 * @param {Uint8Array} member 1 for the chosen, `shown` for all that may be meant
 * @param {number} apart um from neuron to neuron
 * @returns {{near: Object, count: number, both: number}} of a node set; who is meant, and chosen too
 */
export function place(population, member, shown, apart) {
  const chosen = [...member.keys()].filter((i) => member[i]);
  let side = Math.max(LEAST, apart);
  let boxes = cubes(population, chosen, side);
  while (boxes.size > MOST) boxes = cubes(population, chosen, (side *= 1.2));
  const points = new Map([...boxes].map(([key, numbers]) => {
    const sum = numbers.map((i) => population.place(i)).reduce((a, b) => a.map((x, k) => x + b[k]));
    return [key, sum.map((x) => +(x / numbers.length).toFixed(1))];
  }));
  const um = Math.ceil(0.7 * side);
  let [count, both] = [0, 0];
  for (let i = 0; i < population.n; i++) {
    if (!shown[i]) continue;
    const at = population.place(i);
    const box = at.map((x) => Math.floor(x / side));
    let meant = false;
    for (let k = 0; k < 27 && !meant; k++) {
      const other = points.get([box[0] + (k % 3) - 1, box[1] + (Math.floor(k / 3) % 3) - 1, box[2] + Math.floor(k / 9) - 1].join());
      meant = other !== undefined && Math.hypot(...at.map((x, j) => x - other[j])) <= um;
    }
    if (!meant) continue;
    count++;
    both += member[i];
  }
  return { near: { points: [...points.values()], um }, count, both };
}
