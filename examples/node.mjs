// Which language a WAV file (16 kHz, mono, 16 bits) is in, from its first 10 s:
//     npm install onnxruntime-node && node examples/node.mjs clip.wav
import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";
import { metadata } from "../web/metadata.mjs"; // what a graph says of itself, which onnxruntime-node does not tell

const [logMel, encoder, decision] = await Promise.all(
  ["log_mel", "model_quantized", "decision"].map(async (name) => {
    const bytes = readFileSync(new URL(`../assets/model/onnx/${name}.onnx`, import.meta.url));
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
    return { about: metadata(bytes), run: (inputs, outputs) => session.run(inputs, outputs) };
  }),
);

const file = readFileSync(process.argv[2]),
  data = file.indexOf("data", 12, "latin1") + 8; // where samples begin
const count = Math.min((file.length - data) >> 1, encoder.about.window_frames * 320);
const samples = Float32Array.from({ length: count - (count % 320) }, (_, n) => file.readInt16LE(data + 2 * n) / 32768);
const waveforms = new ort.Tensor("float32", samples, [1, samples.length]);
const { logits, embedding } = await encoder.run(await logMel.run({ waveforms }), ["logits", "embedding"]);
const { known_score: score } = await decision.run({ embedding }, ["known_score"]);
const powers = Array.from(logits.data, Math.exp),
  sum = powers.reduce((all, power) => all + power);
const shares = Object.fromEntries(
  encoder.about.labels.map((label, n) => [label, Number((powers[n] / sum).toFixed(3))]),
);
console.log(JSON.stringify({ known: score.data[0] >= decision.about.threshold, probabilities: shares }));
