// Decoded pieces of any rate and number of channels -> sound at 16 kHz that grows: one row, or mid and side of two
// channels, as lid/audio/samples.py makes them.
import { AUDIO } from "./data.js";
import { Problem } from "./problem.js";
import { Resampler } from "./resampler.js";

const { SAMPLE_RATE, max_seconds, min_seconds, min_rate, max_rate } = AUDIO;

export class Sound {
  // `seconds`: how long it is expected to be, so that an hour needs to be put into place once only.
  constructor(seconds = 10) {
    this.expected = Math.min(seconds + 1, max_seconds) * SAMPLE_RATE;
    this.rows = [];
    this.length = 0;
    this.rate = null;
  }

  // `planes`: a Float32Array for each channel.
  push(planes, rate) {
    const rows = mixed(planes);
    if (!this.rows.length) this.rows = rows.map(() => new Float32Array(this.expected));
    if (rate !== this.rate) {
      // also the first; a chained Ogg may change its rate half-way
      if (rate < min_rate || rate > max_rate) throw new Problem("sample_rate");
      this.#finish();
      this.rate = rate;
      this.resamplers = this.rows.map(() => new Resampler(rate, SAMPLE_RATE));
    }
    this.#append(
      this.resamplers.map((resampler, index) => resampler.push(rows[index] ?? new Float32Array(rows[0].length))),
    );
  }

  // -> one Float32Array or two, without the last `after` samples of those that came. Throws Problem for nothing, or too
  // little.
  finish(after = 0) {
    this.#finish();
    this.length = Math.max(0, this.length - Math.round((after / (this.rate ?? 1)) * SAMPLE_RATE));
    if (!this.length) throw new Problem("unreadable");
    if (this.length < min_seconds * SAMPLE_RATE) throw new Problem("too_short");
    return this.rows.map((row) => row.subarray(0, this.length));
  }

  // The last seconds of what is there, of the first row.
  last(seconds) {
    return this.length
      ? this.rows[0].slice(Math.max(0, this.length - seconds * SAMPLE_RATE), this.length)
      : new Float32Array(0);
  }

  #finish() {
    if (this.resamplers) this.#append(this.resamplers.map((resampler) => resampler.finish()));
    this.resamplers = null;
  }

  #append(pieces) {
    const length = this.length + pieces[0].length;
    if (length > max_seconds * SAMPLE_RATE) throw new Problem("too_long");
    this.rows = this.rows.map((row, index) => {
      const roomy = length <= row.length ? row : new Float32Array(Math.ceil(1.5 * length));
      if (roomy !== row) roomy.set(row.subarray(0, this.length));
      roomy.set(pieces[index], this.length);
      return roomy;
    });
    this.length = length;
  }
}

// The mean of the channels, and of two half their difference as well.
function mixed(planes) {
  const finite = (value) => (Number.isFinite(value) ? value : 0);
  const mean = new Float32Array(planes[0].length);
  for (let place = 0; place < mean.length; place++) {
    let sum = 0;
    for (const plane of planes) sum += plane[place];
    mean[place] = finite(sum / planes.length);
  }
  if (planes.length !== 2) return [mean];
  return [mean, planes[0].map((left, place) => finite((left - planes[1][place]) / 2))];
}
