// Vectors of the latent space: their coordinates, their neighbors, random ones, and words for them.

const MAX_NAMED_CHANGES = 3; // of the changed coordinates, the largest first
const MIN_CHANGE = 0.005; // a smaller one would be shown as 0.00
const UNLIKELY_SHARE = 0.999; // of the prior's draws that have a smaller norm

// A matrix (rows of numbers) times a vector.
const times = (matrix, vector) =>
  matrix.map((row) => row.reduce((sum, value, index) => sum + value * vector[index], 0));

// The coordinates of a latent vector along some axes; z = center + matrix @ coordinates.
export const coordinatesOf = (z, axes) =>
  times(axes.inverse, z.map((value, index) => value - axes.center[index]));

// The latent vector that has these coordinates.
export const vectorAt = (coordinates, axes) =>
  times(axes.matrix, coordinates).map((value, index) => axes.center[index] + value);

// "p1" of "p1 (38% of change)".
export const shortName = (name) => name.split(" ")[0];

export const twoDigits = (value) =>
  value.toFixed(2).replace(/^-0\.00$/, "0.00").replace("-", "−");

// The code that is nearest to z: {index, distance}. codes: a Float64Array (n, latent).
export function nearestCode(z, codes) {
  let best = { index: 0, distance: Infinity };
  for (let index = 0; index * z.length < codes.length; index++) {
    let sum = 0;
    for (let k = 0; k < z.length; k++) sum += (codes[index * z.length + k] - z[k]) ** 2;
    if (sum < best.distance) best = { index, distance: sum };
  }
  return { index: best.index, distance: Math.sqrt(best.distance) };
}

// Compare the norm of z with that of draws from the prior.
export function normInWords(z, facts) {
  const norm = Math.hypot(...z);
  const smaller = facts.prior_norms.filter((other) => other < norm).length;
  const share = smaller / facts.prior_norms.length;
  const howMany = share >= UNLIKELY_SHARE ? "almost all" : `${Math.round(100 * share)}%`;
  return `Norm ${norm.toFixed(1)}. Prior draws average about `
    + `${facts.prior_norm.toFixed(1)}; ${howMany} are smaller.`;
}

// Say which coordinates of z differ from those of a start.
export function changeInWords(z, start, startName, axes) {
  const from = coordinatesOf(start, axes);
  const changes = coordinatesOf(z, axes)
    .map((value, index) => ({ name: shortName(axes.names[index]), by: value - from[index] }))
    .filter((change) => Math.abs(change.by) >= MIN_CHANGE)
    .sort((a, b) => Math.abs(b.by) - Math.abs(a.by));
  if (changes.length === 0) return `It is the reconstruction of ${startName}.`;
  const parts = changes.slice(0, MAX_NAMED_CHANGES)
    .map(({ name, by }) => `${name} by ${by > 0 ? "+" : ""}${twoDigits(by)}`);
  const rest = changes.length - parts.length;
  if (rest) parts.push(`${rest} more`);
  return `Changed from ${startName}: ${parts.join(", ")}.`;
}

// A function that draws vectors of a length from N(0, 1); a seed makes the same ones each time.
export function normalDraws(seed) {
  const uniform = seed === null ? Math.random : seededUniform(seed);
  // Box and Muller (1958), "A note on the generation of random normal deviates".
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return (length) => Array.from({ length }, normal);
}

// Uniform draws in [0, 1) from a seed: the generator "mulberry32" of Tommy Ettinger.
function seededUniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A draw from the Gaussian that was fitted to all posteriors.
export const fittedDraw = (noise, { mean, factor }) =>
  times(factor, noise).map((value, index) => mean[index] + value);
