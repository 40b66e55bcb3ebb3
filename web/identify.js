// Sound -> speech -> windows -> frame logits -> prediction: lid/identify.py, over the same graphs.
import { CODES, LANGUAGE_NAMES, WINDOWS } from "./data.js";
import { largest, round, softmax } from "./numbers.js";
import { Problem } from "./problem.js";
import { partOf, together } from "./speakers.js";
import { find, findFaint } from "./voice.js";
import { join, mean, named, timeline, windows } from "./windows.js";

const { SAMPLE_RATE, FRAME_SAMPLES, NO_SPEECH } = WINDOWS;

export class Identifier {
  constructor(graphs) {
    this.graphs = graphs;
    const { labels, window_frames, width, d_model } = graphs.encoder.about;
    this.labels = labels;
    this.window = window_frames * FRAME_SAMPLES;
    this.width = width;
    this.d_model = d_model;
    this.order = labelOrder(labels);
  }

  // {sounds: [Float32Array at 16 kHz, ...], channels, track} -> a prediction, with the keys of Prediction in Python but
  // in camel case. `progress(share, code)` is called, and waited for, after each window.
  async identify({ sounds, channels = null, track = null }, progress = () => {}) {
    const found = sounds.length === 1 ? await this.#one(sounds[0], progress) : await this.#two(sounds, progress);
    return { ...found, track, channels: found.channels ?? channels };
  }

  // The model's input for a stretch of sound: {data, bands, columns}, rows of `columns` numbers.
  async logMel(waveform) {
    const told = await this.graphs.log_mel.run({ waveforms: [waveform, [1, waveform.length]] }, ["input_features"]);
    const { data, dims } = told.input_features;
    return { data, bands: dims[1], columns: dims[2] };
  }

  async #one(waveform, progress, known = null) {
    let spans = known ?? (await find(this.graphs.voice, waveform));
    const faint = !spans.length;
    if (faint && !known) spans = await findFaint(this.graphs.voice, waveform);
    let { logits, starts, embedding, parts } = await this.#frames(waveform, join(spans, waveform.length), progress);
    const told = starts.length ? await this.#decide(embedding, parts, faint) : null;
    if (told && !told.isSpeech) {
      spans = [];
      logits = logits.subarray(0, 0);
      starts = starts.subarray(0, 0);
    }
    const shares = softmax(starts.length ? mean(logits, 0, starts.length) : CODES.map(() => 0));
    return {
      language: starts.length ? CODES[largest(shares)] : null,
      probabilities: named(shares),
      known: this.#canReject ? false : null,
      knownScore: this.#canReject ? NO_SPEECH : null,
      soundsLike: null,
      ...(starts.length ? told.openness : {}),
      duration: waveform.length / SAMPLE_RATE,
      speech: spans.reduce((sum, [start, end]) => sum + end - start, 0),
      timeline: timeline(logits, starts),
      starts,
      channels: null,
      speakers: [],
    };
  }

  // Two channels with sounds of their own: each speaker apart, then both together.
  async #two(sounds, progress) {
    const spans = [];
    for (const sound of sounds) spans.push(await find(this.graphs.voice, sound));
    const lengths = spans.map((found) => found.reduce((sum, [start, end]) => sum + end - start, 0));
    const all = lengths.reduce((sum, length) => sum + length, 0),
      heard = new Map();
    let before = 0;
    for (const [index, sound] of sounds.entries()) {
      if (spans[index].length) {
        const part = partOf(progress, before / all, lengths[index] / all);
        const found = await this.#one(sound, part, spans[index]);
        if (found.language !== null) heard.set(index + 1, found);
      }
      before += lengths[index];
    }
    const numbers = sounds.map((_, index) => index + 1);
    if (!heard.size) {
      // perhaps somebody far away in both
      const both = sounds[0].map((sample, place) => (sample + sounds[1][place]) / 2);
      return { ...(await this.#one(both, progress)), channels: { kind: "same", heard: numbers, of: numbers.length } };
    }
    if (heard.size === 1) {
      const [[channel, found]] = heard;
      return { ...found, channels: { kind: "one", heard: [channel], of: numbers.length } };
    }
    return together(heard);
  }

  // Logits (3 a frame) and start second of every frame of speech, and the mean of the classifier's input: of all frames,
  // and in `parts` of those of each window.
  async #frames(waveform, pieces, progress) {
    const length = ([start, end]) => end - start,
      sum = (ranges) => ranges.reduce((all, one) => all + length(one), 0);
    const total = sum(pieces) / FRAME_SAMPLES,
      classes = CODES.length;
    const logits = new Float32Array(total * classes),
      starts = new Float64Array(total);
    const embedding = new Float64Array(this.width),
      parts = [];
    let done = 0;
    for (const window of windows(pieces, this.window)) {
      const heard = new Float32Array(sum(window)),
        first = done;
      let place = 0;
      for (const [start, end] of window) {
        heard.set(waveform.subarray(start, end), place);
        place += end - start;
        for (let sample = start; sample < end; sample += FRAME_SAMPLES) starts[done++] = sample / SAMPLE_RATE;
      }
      const features = await this.logMel(heard);
      const shape = [1, features.bands, features.columns];
      const told = await this.graphs.encoder.run({ input_features: [features.data, shape] }, [
        "frame_logits",
        "embedding",
      ]);
      for (let frame = first; frame < done; frame++) {
        for (let code = 0; code < classes; code++) {
          const from = (frame - first) * this.labels.length + this.order[code];
          logits[classes * frame + code] = told.frame_logits.data[from];
        }
      }
      told.embedding.data.forEach((value, index) => {
        embedding[index] += value * (done - first);
      });
      parts.push({ embedding: Float32Array.from(told.embedding.data), frames: done - first });
      await progress(done / total, CODES[largest(mean(logits, first, done))]);
    }
    return { logits, starts, embedding: Float32Array.from(embedding, (value) => value / Math.max(1, total)), parts };
  }

  get #canReject() {
    return Boolean(this.graphs.decision.about.can_reject);
  }

  // OnnxDetector of lid/model/onnx.py. The score is the mean over windows, as in lid/identify.py.
  async #decide(embedding, parts, faint) {
    const { run, about, outputs } = this.graphs.decision;
    const wanted = ["speech_score", "sounds_like"].filter((name) => outputs.includes(name));
    const told = wanted.length ? await run({ embedding: [embedding, [1, embedding.length]] }, wanted) : {};
    const needed = (faint ? about.faint_threshold : null) ?? about.speech_threshold; // older models have one
    const isSpeech = !told.speech_score || told.speech_score.data[0] >= needed;
    if (!this.#canReject) return { isSpeech, openness: {} };
    let summed = 0,
      frames = 0;
    for (const part of parts) {
      const { known_score } = await run({ embedding: [part.embedding, [1, embedding.length]] }, ["known_score"]);
      summed += known_score.data[0] * part.frames;
      frames += part.frames;
    }
    const score = summed / frames,
      known = score >= about.threshold;
    const openness = { known, knownScore: round(score, 4) };
    if (!known && told.sounds_like) {
      const likeliest = largest(Array.from(told.sounds_like.data));
      const probability = round(told.sounds_like.data[likeliest], 6);
      openness.soundsLike = { language: about.sounds_languages[likeliest], probability };
    }
    return { isSpeech, openness };
  }
}

// Where a model keeps each of CODES, by code or by English name.
function labelOrder(labels) {
  const known = labels.map((label) => label.toLowerCase());
  const order = CODES.map((code) => {
    const byCode = known.indexOf(code);
    return byCode >= 0 ? byCode : known.indexOf(LANGUAGE_NAMES.en[code].toLowerCase());
  });
  if (order.includes(-1)) throw new Problem("other_version", { file: "model_quantized.onnx" });
  return order;
}
