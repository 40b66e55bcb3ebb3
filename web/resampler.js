// Any sample rate -> another, piece by piece: a low-pass filter (a sinc under a Kaiser window), worked out only for the
// samples that are wanted. Smith, "Digital Audio Resampling", https://ccrma.stanford.edu/~jos/resample/.

const CROSSINGS = 32; // of zero, of the sinc on either side: how sharp the filter is
const PASSED = 0.95; // of the band that both rates have
const BETA = 9; // of the window: what is filtered out is some 90 dB down

export class Resampler {
  // From `rate` to `wanted`, both whole numbers of Hz.
  constructor(rate, wanted) {
    const common = divisor(rate, wanted);
    this.up = wanted / common; // this many samples out
    this.down = rate / common; // for this many in
    this.even = this.up === this.down;
    if (this.even) return;
    const band = Math.min(1, wanted / rate) * PASSED;
    this.half = Math.ceil(CROSSINGS / Math.min(1, wanted / rate));
    this.filters = Array.from({ length: this.up }, (_, phase) => filter(phase / this.up, this.half, band));
    this.held = new Float32Array(this.half - 1); // samples in that are still needed; silence before the first
    this.place = 0; // of the next sample out, in parts of a sample in, from half - 1 into `held`
  }

  push(samples) {
    if (this.even) return samples;
    const input = new Float32Array(this.held.length + samples.length);
    input.set(this.held);
    input.set(samples, this.held.length);
    const last = input.length - 2 * this.half; // where a filter's first sample may lie at most
    const out = new Float32Array(Math.max(0, Math.floor(((last + 1) * this.up - 1 - this.place) / this.down) + 1));
    for (let n = 0; n < out.length; n++, this.place += this.down) {
      const first = Math.floor(this.place / this.up),
        taps = this.filters[this.place % this.up];
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap++) sum += taps[tap] * input[first + tap];
      out[n] = sum;
    }
    const used = Math.min(Math.floor(this.place / this.up), input.length);
    this.held = input.slice(used);
    this.place -= used * this.up;
    return out;
  }

  // What the last samples still give.
  finish() {
    return this.even ? new Float32Array(0) : this.push(new Float32Array(this.half));
  }
}

// The weights of 2 * half samples around a place that lies `fraction` of a sample after number half - 1.
function filter(fraction, half, band) {
  const taps = Float64Array.from({ length: 2 * half }, (_, tap) => {
    const away = tap - (half - 1) - fraction,
      edge = away / half;
    if (Math.abs(edge) >= 1) return 0;
    const angle = Math.PI * band * away;
    return (angle ? Math.sin(angle) / angle : 1) * bessel(BETA * Math.sqrt(1 - edge * edge));
  });
  const sum = taps.reduce((all, weight) => all + weight, 0);
  return Float32Array.from(taps, (weight) => weight / sum);
}

// The modified Bessel function of order 0, by its series.
function bessel(x) {
  let sum = 1,
    term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const divisor = (a, b) => (b ? divisor(b, a % b) : a);
