// Beside another run: how much more or less this one's areas (or whatever the first attribute is) fire.

import { niceStep } from "./timeline.js";

const LEAST = 0.1; // Hz, that are a whole colour

/** Mean rate of the neurons that are shown, Hz, by value of the first attribute. */
function meanRates({ population }, member, rates) {
  const sums = population.primary.values.map(() => [0, 0]);
  for (let i = 0; i < population.n; i++) {
    if (!member[i]) continue;
    const sum = sums[population.code(i, 0)];
    sum[0] += rates[i];
    sum[1]++;
  }
  return new Map(population.primary.values.map(({ name }, v) => [name, sums[v][1] ? sums[v][0] / sums[v][1] : null]));
}

/** Of every value of the first attribute its rate less that in the other run, Hz; and the largest, rounded up. */
export function differences(app) {
  const both = [app, app.other].map((each) => [each, each.member(), each.rates()]);
  const key = both.flatMap(([{ memberKey, rateKey }]) => [memberKey, rateKey]).join();
  if (app.differenceKey !== key) {
    app.differenceKey = key;
    const [own, theirs] = both.map((each) => meanRates(...each));
    const hz = [...own].map(([name, rate]) => (rate === null ? 0 : rate - (theirs.get(name) ?? rate)));
    app.difference = { hz, top: niceStep(Math.max(LEAST, ...hz.map(Math.abs))) };
  }
  return app.difference;
}
