// The spectrogram of a whole recording, no wider than a screen: overview_mel of lid/ui/recording.py.
import { AUDIO, PICTURES } from "./data.js";
import { round } from "./numbers.js";

const { HOP, MAX_COLUMNS, MEL_PIECE_SECONDS } = PICTURES;
const SMALLEST = 2 * HOP; // samples: the transform's reflection needs so many
const RANGE = 2; // units under the loudest that Whisper keeps

// -> {data, bands, columns}, row by row from the lowest band.
export async function overview(identifier, waveform) {
  const columns = Math.max(1, Math.floor(waveform.length / HOP)),
    perCell = Math.ceil(columns / MAX_COLUMNS);
  const step = perCell * HOP * Math.max(1, Math.floor((MEL_PIECE_SECONDS * AUDIO.SAMPLE_RATE) / (perCell * HOP)));
  const starts = Array.from({ length: Math.ceil((columns * HOP) / step) }, (_, piece) => piece * step);
  const piece = (start) => identifier.logMel(padded(waveform.subarray(start, start + step)));
  let floor = -Infinity; // of the whole recording, by its loudest cell
  if (starts.length > 1) {
    for (const start of starts) {
      const { data } = await piece(start);
      floor = data.reduce((most, value) => Math.max(most, value - RANGE), floor);
    }
  }
  const pooled = [];
  for (const start of starts) pooled.push(pool(await piece(start), perCell, floor));
  return beside(pooled);
}

function padded(waveform) {
  if (waveform.length >= SMALLEST) return waveform;
  const longer = new Float32Array(SMALLEST);
  longer.set(waveform);
  return longer;
}

function pool({ data, bands, columns }, perCell, floor) {
  const cells = Math.ceil(columns / perCell),
    pooled = new Float32Array(bands * cells);
  for (let cell = 0; cell < cells; cell++) {
    const from = round((cell * columns) / cells),
      to = round(((cell + 1) * columns) / cells);
    for (let band = 0; band < bands; band++) {
      let sum = 0;
      for (let column = from; column < to; column++) sum += Math.max(floor, data[band * columns + column]);
      pooled[band * cells + cell] = sum / (to - from);
    }
  }
  return { data: pooled, bands, columns: cells };
}

function beside(parts) {
  const bands = parts[0].bands,
    columns = parts.reduce((sum, part) => sum + part.columns, 0);
  const data = new Float32Array(bands * columns);
  let before = 0;
  for (const part of parts) {
    for (let band = 0; band < bands; band++) {
      data.set(part.data.subarray(band * part.columns, (band + 1) * part.columns), band * columns + before);
    }
    before += part.columns;
  }
  return { data, bands, columns };
}
