// Where speech is: lid/vad.py.
import { VOICE } from "./data.js";

const { SAMPLE_RATE, THRESHOLD, HYSTERESIS, MIN_SPEECH, MIN_SILENCE, FAINT, SHORT, SILENT, PADDING } = VOICE;
const { FRAME, CONTEXT, BLOCK } = VOICE;
const STATE = [1, 1, 128];

// Mono Float32Array at 16 kHz -> stretches of speech, [start, end] in seconds.
export async function find(graph, waveform, threshold = THRESHOLD) {
  const loudest = peak(waveform);
  if (loudest < SILENT) return [];
  const found = spans(await probabilities(graph, waveform, 0.5 / loudest), waveform.length, threshold);
  return found.map(([start, end]) => [start / SAMPLE_RATE, end / SAMPLE_RATE]);
}

// What might be speech, where `find` finds none.
export async function findFaint(graph, waveform) {
  if (peak(waveform) < SILENT) return [];
  const found = await find(graph, waveform, FAINT);
  const seconds = waveform.length / SAMPLE_RATE;
  return found.length || seconds > SHORT ? found : [[0, seconds]];
}

async function probabilities(graph, waveform, gain) {
  const found = new Float32Array(Math.ceil(waveform.length / FRAME));
  let context = new Float32Array(CONTEXT),
    hidden = new Float32Array(128),
    cell = new Float32Array(128);
  for (let start = 0, done = 0; start < waveform.length; start += BLOCK * FRAME) {
    const part = waveform.subarray(start, start + BLOCK * FRAME);
    const block = new Float32Array(Math.ceil(part.length / FRAME) * FRAME);
    for (let i = 0; i < part.length; i++) block[i] = part[i] * gain;
    const inputs = {
      waveform: [block, [block.length]],
      context: [context, [CONTEXT]],
      hidden: [hidden, STATE],
      cell: [cell, STATE],
    };
    const told = await graph.run(inputs, ["probabilities", "hidden_after", "cell_after"]);
    found.set(told.probabilities.data, done);
    done += told.probabilities.data.length;
    hidden = told.hidden_after.data;
    cell = told.cell_after.data;
    context = block.slice(-CONTEXT);
  }
  return found;
}

function spans(found, samples, threshold) {
  const stretches = [],
    low = Math.max(threshold - HYSTERESIS, 0.01);
  let start = null,
    quiet = null; // first sample of this stretch, and of the silence in it
  found.forEach((probability, frame) => {
    const here = frame * FRAME;
    if (probability >= threshold) {
      start ??= here;
      quiet = null;
    } else if (start !== null && (quiet !== null || probability < low)) {
      quiet ??= here;
      if (probability < low && here - quiet >= MIN_SILENCE * SAMPLE_RATE) {
        stretches.push([start, quiet]);
        start = quiet = null;
      }
    }
  });
  if (start !== null) stretches.push([start, samples]);
  return padded(
    stretches.filter(([from, to]) => to - from > MIN_SPEECH * SAMPLE_RATE),
    samples,
  );
}

function padded(stretches, samples) {
  const padding = Math.trunc(PADDING * SAMPLE_RATE),
    last = stretches.length - 1;
  for (let number = 0; number < last; number++) {
    const room = stretches[number + 1][0] - stretches[number][1];
    const each = room < 2 * padding ? Math.floor(room / 2) : padding;
    stretches[number][1] += each;
    stretches[number + 1][0] -= each;
  }
  if (stretches.length) {
    stretches[0][0] = Math.max(0, stretches[0][0] - padding);
    stretches[last][1] = Math.min(samples, stretches[last][1] + padding);
  }
  return stretches;
}

function peak(waveform) {
  let most = 0;
  for (const sample of waveform) most = Math.max(most, Math.abs(sample));
  return most;
}
