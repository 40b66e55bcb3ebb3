// Small things of Python and NumPy that the same answers depend on.

export function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

// To the even one of two neighbours that are equally near, as Python does.
export function round(value, digits = 0) {
  const scaled = value * 10 ** digits;
  const down = Math.floor(scaled);
  const rest = scaled - down;
  const whole = rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
  return whole / 10 ** digits;
}

export function largest(values) {
  return values.reduce((best, value, place) => (value > values[best] ? place : best), 0);
}

// Rows [from, to) in `count` parts, whose lengths differ by one at most: numpy.array_split.
export function split(from, to, count) {
  const each = Math.floor((to - from) / count),
    longer = (to - from) % count;
  const parts = [];
  for (let part = 0, start = from; part < count; part++) {
    const end = start + each + (part < longer ? 1 : 0);
    parts.push([start, end]);
    start = end;
  }
  return parts;
}

// Linear between neighbours: numpy.quantile.
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1),
    below = Math.floor(place);
  const next = sorted[Math.min(below + 1, sorted.length - 1)];
  return sorted[below] + (next - sorted[below]) * (place - below);
}
