// What the two channels of a recording are: lid/audio/channels.py, where each step is explained.
import { CHANNELS } from "./data.js";
import { quantile } from "./numbers.js";

const {
  FRAME,
  FRAMES_PER_SECOND,
  LOW,
  HIGH,
  LAGS,
  LOUD_SECONDS,
  FLOOR,
  SILENT_DB,
  UNHEARD_DB,
  ALIKE,
  APART,
  OPPOSITE_DB,
  STEADY_DB,
  NOISY_DB,
  CLEANER_DB,
  ACTIVE_DB,
  MUCH_DB,
  MOMENT,
  SOME_DB,
  PART,
  LEAK_DB,
  LEAK_FRAMES,
} = CHANNELS;
const RATE = FRAMES_PER_SECOND * FRAME;
const FIRST = Math.ceil((LOW * FRAME) / RATE),
  LAST = Math.floor((HIGH * FRAME) / RATE); // bins of the band of speech

// Mid and side (Float32Array at 16 kHz) -> {channels, sounds}: one sound to be heard, or two, in the same arrays.
export function sortOut(mid, side) {
  const { levels, correlation, ratio } = measure(mid, side);
  const channels = decide(levels, correlation, ratio);
  if (channels.kind === "same") return { channels, sounds: [mid] };
  if (channels.kind === "opposite") return { channels, sounds: [side] };
  for (let place = 0; place < mid.length; place++) {
    const half = side[place];
    side[place] = mid[place] - half;
    mid[place] += half;
  }
  const sounds = [mid, side];
  if (channels.kind === "one") return { channels, sounds: [sounds[channels.heard[0] - 1]] };
  const relative = levels.map((own) => {
    const loudest = top(own);
    return own.map((level) => level - loudest);
  });
  muteLeaks(mid, relative[0], relative[1]);
  muteLeaks(side, relative[1], relative[0]);
  return { channels, sounds };
}

// Levels in dB of left and right, a number a frame each; their correlation; how many dB side has more than mid.
function measure(mid, side) {
  const frames = Math.ceil(mid.length / FRAME),
    levels = [new Float64Array(frames), new Float64Array(frames)];
  const real = new Float64Array(FRAME),
    imaginary = new Float64Array(FRAME);
  const crossReal = new Float64Array(FRAME),
    crossImaginary = new Float64Array(FRAME);
  const energies = [0, 0],
    totals = [0, 0];
  for (let frame = 0; frame < frames; frame++) {
    const start = frame * FRAME;
    for (let n = 0; n < FRAME; n++) {
      real[n] = mid[start + n] ?? 0;
      imaginary[n] = side[start + n] ?? 0;
    }
    transform(real, imaginary);
    const powers = [0, 0];
    for (let bin = FIRST; bin <= LAST; bin++) {
      // two real signals in one transform: their spectra are its symmetric parts
      const other = FRAME - bin;
      const midReal = (real[bin] + real[other]) / 2,
        midImaginary = (imaginary[bin] - imaginary[other]) / 2;
      const sideReal = (imaginary[bin] + imaginary[other]) / 2,
        sideImaginary = (real[other] - real[bin]) / 2;
      const leftReal = midReal + sideReal,
        leftImaginary = midImaginary + sideImaginary;
      const rightReal = midReal - sideReal,
        rightImaginary = midImaginary - sideImaginary;
      powers[0] += leftReal ** 2 + leftImaginary ** 2;
      powers[1] += rightReal ** 2 + rightImaginary ** 2;
      crossReal[bin] += leftReal * rightReal + leftImaginary * rightImaginary;
      crossImaginary[bin] += leftImaginary * rightReal - leftReal * rightImaginary;
      totals[0] += midReal ** 2 + midImaginary ** 2;
      totals[1] += sideReal ** 2 + sideImaginary ** 2;
    }
    powers.forEach((power, channel) => {
      energies[channel] += power;
      levels[channel][frame] = 10 * Math.log10(Math.max((2 * power) / FRAME ** 2, 1e-12));
    });
  }
  const best = strongest(crossReal, crossImaginary);
  return {
    levels,
    correlation: best / Math.max(Math.sqrt(energies[0] * energies[1]), 1e-12),
    ratio: 10 * Math.log10((totals[1] + 1e-12) / (totals[0] + 1e-12)),
  };
}

// The cross-correlation at the lag where it is strongest, from the cross-spectrum's bins below the middle one.
function strongest(real, imaginary) {
  for (let bin = FIRST; bin <= LAST; bin++) {
    real[FRAME - bin] = real[bin];
    imaginary[FRAME - bin] = -imaginary[bin];
  }
  // Forwards in place of backwards: that only turns the lags round, and both ends are looked at.
  transform(real, imaginary);
  let best = 0;
  for (let lag = -LAGS; lag <= LAGS; lag++) {
    const value = real[(lag + FRAME) % FRAME] / 2;
    if (Math.abs(value) > Math.abs(best)) best = value;
  }
  return best;
}

function top(levels) {
  const place = Math.min(Math.round(LOUD_SECONDS * FRAMES_PER_SECOND), Math.floor(levels.length / 10));
  return Float64Array.from(levels)
    .sort()
    .at(-1 - place);
}

function decide(levels, correlation, ratio) {
  const tops = levels.map(top),
    spans = levels.map((own, channel) => tops[channel] - quantile(own, FLOOR));
  const kind = (name, heard = [1, 2]) => ({ kind: name, heard, of: 2 });
  const better = spans[1] > spans[0] ? 2 : 1,
    louder = tops[1] > tops[0] ? 2 : 1;
  const most = Math.max(...tops),
    least = Math.min(...tops),
    alike = Math.abs(correlation);
  const opposite = (ratio > 0 && correlation < -APART) || (ratio > OPPOSITE_DB && alike < ALIKE);
  const together = kind(opposite ? "opposite" : "same");
  if (most < SILENT_DB) return kind("same");
  if (least < Math.max(SILENT_DB, most - UNHEARD_DB)) return kind("one", [louder]);
  if (alike >= ALIKE) {
    const worse = Math.min(...spans);
    return worse < NOISY_DB && Math.max(...spans) - worse > CLEANER_DB ? kind("one", [better]) : together;
  }
  const steady = spans.filter((span) => span < STEADY_DB).length;
  if (steady) return steady === 2 ? together : kind("one", [better]);
  if (alike < APART) return kind("two");
  const lead = [];
  levels[0].forEach((level, frame) => {
    const left = level - tops[0],
      right = levels[1][frame] - tops[1];
    if (Math.max(left, right) > ACTIVE_DB) lead.push(left - right);
  });
  return leads(lead) && leads(lead.map((decibels) => -decibels)) ? kind("two") : together;
}

// Whether a channel is the louder one often enough to have a sound of its own.
function leads(lead) {
  const over = (least) => lead.filter((decibels) => decibels > least).length;
  return over(MUCH_DB) >= MOMENT * FRAMES_PER_SECOND || over(SOME_DB) >= PART * lead.length;
}

// Silence, in place, the frames in which a channel holds but an echo of the other.
function muteLeaks(sound, own, other) {
  for (let frame = 0; frame < own.length; frame++) {
    const nearby = Math.max(...own.slice(Math.max(0, frame - LEAK_FRAMES), frame + LEAK_FRAMES + 1));
    if (nearby < -LEAK_DB && nearby < other[frame] - LEAK_DB) sound.fill(0, frame * FRAME, (frame + 1) * FRAME);
  }
}

// The discrete Fourier transform in place (Cooley and Tukey 1965); the length is a power of two.
function transform(real, imaginary) {
  const length = real.length;
  for (let from = 1, to = 0; from < length; from++) {
    let bit = length >> 1;
    for (; to & bit; bit >>= 1) to ^= bit;
    to ^= bit;
    if (from < to) {
      [real[from], real[to]] = [real[to], real[from]];
      [imaginary[from], imaginary[to]] = [imaginary[to], imaginary[from]];
    }
  }
  for (let half = 1; half < length; half *= 2) {
    const step = FRAME / (2 * half);
    for (let start = 0; start < length; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const even = start + k,
          odd = even + half;
        const turnReal = COSINES[k * step],
          turnImaginary = -SINES[k * step];
        const oddReal = real[odd] * turnReal - imaginary[odd] * turnImaginary;
        const oddImaginary = real[odd] * turnImaginary + imaginary[odd] * turnReal;
        real[odd] = real[even] - oddReal;
        imaginary[odd] = imaginary[even] - oddImaginary;
        real[even] += oddReal;
        imaginary[even] += oddImaginary;
      }
    }
  }
}

const COSINES = Float64Array.from({ length: FRAME / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / FRAME));
const SINES = Float64Array.from({ length: FRAME / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / FRAME));
