// Stretches of speech -> windows for the encoder, and frames -> a timeline: lid/identify.py.
import { CODES, VOICE, WINDOWS } from "./data.js";
import { round, softmax, split } from "./numbers.js";

const { SAMPLE_RATE, FRAME_SAMPLES, FRAME_SECONDS, KEEP_PAUSES, TIMELINE_STEP, SHORT_PIECE } = WINDOWS;

// [start, end] in seconds -> sample ranges of whole frames, short pauses and a margin inside.
export function join(spans, samples) {
  const pieces = [];
  for (const [start, end] of spans) {
    const first = Math.trunc(start * SAMPLE_RATE),
      last = Math.min(samples, Math.trunc(end * SAMPLE_RATE));
    const before = pieces.at(-1);
    if (before && first - before[1] <= KEEP_PAUSES * SAMPLE_RATE) before[1] = last;
    else pieces.push([first, last]);
  }
  const margin = Math.trunc(VOICE.MARGIN * SAMPLE_RATE); // less than half of a pause that is cut, so pieces stay apart
  const wider = ([first, last]) => [Math.max(0, first - margin), Math.min(samples, last + margin)];
  const whole = ([start, end]) => [start, start + Math.floor((end - start) / FRAME_SAMPLES) * FRAME_SAMPLES];
  return pieces.map(wider).map(whole).filter(([start, end]) => end > start);
}

// Pieces of speech -> windows of at most `longest` samples, each a list of ranges, in order.
export function windows(pieces, longest) {
  const total = pieces.reduce((sum, [start, end]) => sum + end - start, 0);
  if (total <= longest) return pieces.length ? [pieces] : [];
  const found = [];
  let room = 0,
    last = 0; // samples left in the last window, length of its last piece
  for (const [start, end] of pieces) {
    const frames = Math.floor((end - start) / FRAME_SAMPLES),
      parts = Math.ceil((end - start) / longest);
    const edge = (part) => start + Math.floor((frames * part) / parts) * FRAME_SAMPLES;
    for (let part = 0; part < parts; part++) {
      const piece = [edge(part), edge(part + 1)],
        length = piece[1] - piece[0];
      if (length <= room && Math.min(length, last) < SHORT_PIECE * SAMPLE_RATE) found.at(-1).push(piece);
      else {
        found.push([piece]);
        room = longest;
      }
      room -= length;
      last = length;
    }
  }
  return found;
}

// Frame logits (3 a frame) and start seconds -> an entry for about a second of adjoining frames; none spans a cut.
export function timeline(logits, starts) {
  const entries = [];
  for (let from = 0, to = 1; to <= starts.length; to++) {
    if (to < starts.length && starts[to] - starts[to - 1] <= 1.5 * FRAME_SECONDS) continue;
    const parts = Math.max(1, round(((to - from) * FRAME_SECONDS) / TIMELINE_STEP));
    for (const [first, end] of split(from, to, parts)) {
      entries.push({
        start: round(starts[first], 3),
        end: round(starts[end - 1] + FRAME_SECONDS, 3),
        probabilities: named(softmax(mean(logits, first, end))),
      });
    }
    from = to;
  }
  return entries;
}

// The mean of frames [from, to), 3 numbers.
export function mean(logits, from, to) {
  const sums = CODES.map(() => 0);
  for (let frame = from; frame < to; frame++) {
    for (let place = 0; place < sums.length; place++) sums[place] += logits[sums.length * frame + place];
  }
  return sums.map((sum) => sum / (to - from));
}

export const named = (shares) => Object.fromEntries(CODES.map((code, place) => [code, round(shares[place], 6)]));
