// Beside another run: how much more or less this one's areas (or whatever the first attribute is) fire.

import { niceStep } from "./timeline.js";

const LEAST = 0.1; // Hz, that are a whole colour

/** Mean rate of the neurons that are shown, Hz, by value of the first attribute, from a time until another (ms). */
function meanRates({ population, spikes }, member, since, until) {
  const sums = population.primary.values.map(() => [0, 0]);
  const counts = spikes.counts(population.n, since, until + 1e-3); // with the last step
  for (let i = 0; i < population.n; i++) {
    if (!member[i]) continue;
    const sum = sums[population.code(i, 0)];
    sum[0] += counts[i];
    sum[1]++;
  }
  const seconds = Math.max(until - since, 1e-3) / 1000;
  return new Map(population.primary.values.map(({ name }, v) => [name, sums[v][1] ? sums[v][0] / sums[v][1] / seconds : null]));
}

/** The time that both runs have, without the onset where it is long enough, ms; and in words. */
export function common(app) {
  const both = [app, app.other];
  const reached = both.map(({ spikes }) => spikes.reached);
  const until = Math.min(...reached);
  const since = Math.max(...both.map((each) => each.since(until)));
  const words = `${app.sinceWords(since)}${until < Math.max(...reached) ? `; until ${+until.toFixed(1)} ms, when the shorter run ends` : ""}`;
  return { since, until, words };
}

/** Of every value of the first attribute its rate less that in the other run, Hz; and the largest, rounded up. */
export function differences(app) {
  const both = [app, app.other].map((each) => [each, each.member()]);
  const { since, until } = common(app);
  const key = both.flatMap(([{ memberKey, spikes }]) => [memberKey, spikes.version]).concat(since, until).join();
  if (app.differenceKey !== key) {
    app.differenceKey = key;
    const [own, theirs] = both.map((each) => meanRates(...each, since, until));
    const hz = [...own].map(([name, rate]) => (rate === null ? 0 : rate - (theirs.get(name) ?? rate)));
    app.difference = { hz, top: niceStep(Math.max(LEAST, ...hz.map(Math.abs))) };
  }
  return app.difference;
}
