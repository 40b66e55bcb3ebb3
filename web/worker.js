// Everything that takes time, beside the page so that it stays alive. It answers one message after another:
//   {kind: "load", threads}                  -> "loading" {done, total} ..., then "ready" {size, threads}
//   {kind: "file", file} or {kind: "planes", planes}, at 16 kHz
//                                            -> "progress" {share, code} ..., then "answer" or "undecodable"
//   {kind: "begin"}, {kind: "piece", samples, rate} ..., {kind: "end"}   a recording
//                                            -> "live" {prediction} now and then, then as for a file
// Each message has an `id`, which its replies carry; "problem" {reason, facts} is a reply to any.
import { AUDIO, PAGE } from "./data.js";
import { decode, ofPlanes } from "./decode.js";
import { open } from "./graphs.js";
import { Identifier } from "./identify.js";
import { overview } from "./mel.js";
import { Problem, told } from "./problem.js";
import { Sound } from "./sound.js";
import { find } from "./voice.js";

let identifier = null;
let recorded = null,
  lastLive = 0;

const replies = {
  async load({ threads, id }, reply) {
    identifier = new Identifier(
      await open(threads, (done, total) => self.postMessage({ id, kind: "loading", done, total })),
    );
    await identifier.identify({ sounds: [warmUp()] });
    await reply("ready", { width: identifier.d_model });
  },

  async file({ file }, reply, began) {
    const speech = async (sounds) => {
      const spans = await find(identifier.graphs.voice, sounds[0]);
      return spans.reduce((sum, [start, end]) => sum + end - start, 0);
    };
    let recording;
    try {
      recording = await decode(file, speech);
    } catch (error) {
      if (error.reason !== "undecodable") throw error;
      await reply("undecodable");
      return;
    }
    await answer(recording, reply, began);
  },

  async planes({ planes }, reply, began) {
    await answer(ofPlanes(planes), reply, began);
  },

  async begin() {
    recorded = new Sound();
    lastLive = performance.now();
  },

  async piece({ samples, rate }, reply) {
    if (!recorded) return; // it was on its way when the recording ended
    recorded.push([samples], rate);
    const now = performance.now();
    if (pieces > 1 || now - lastLive < 1000 * PAGE.LIVE_EVERY) return; // others are waiting: no time for an answer
    lastLive = now;
    const prediction = await identifier.identify({ sounds: [recorded.last(PAGE.LIVE_SECONDS)] });
    if (prediction.speech >= PAGE.SHORT_SPEECH)
      await reply("live", { prediction, took: (performance.now() - now) / 1000 });
  },

  async end(_, reply, began) {
    const [waveform] = recorded.finish();
    recorded = null;
    await answer({ sounds: [waveform], channels: null, track: null, damaged: false }, reply, began, true);
  },
};

async function answer(recording, reply, began, withSound = false) {
  const prediction = await identifier.identify(recording, async (share, code) => {
    await reply("progress", { share, code });
  });
  const mel = await overview(identifier, mixed(recording.sounds));
  const took = (performance.now() - began) / 1000;
  const waveform = withSound ? { waveform: recording.sounds[0].slice() } : {};
  await reply("answer", { prediction, damaged: recording.damaged, took, mel, ...waveform });
}

const mixed = ([one, other]) => (other ? one.map((sample, place) => (sample + other[place]) / 2) : one);

// A second of something like a voice: the first run of a graph takes longer than the others.
const warmUp = () => Float32Array.from({ length: AUDIO.SAMPLE_RATE }, (_, n) => 0.1 * Math.sin((n * n) / 9000));

let queue = Promise.resolve(),
  pieces = 0,
  newest = 0;
self.onmessage = ({ data }) => {
  newest = data.id;
  if (data.kind === "piece") pieces += 1;
  queue = queue.then(() => take(data));
};

async function take(message) {
  const reply = async (kind, facts = {}) => {
    self.postMessage({ id: message.id, kind, ...facts });
    await turn();
    if (message.id !== newest) throw new Problem("dropped"); // something else was begun meanwhile
  };
  try {
    if (message.id === newest) await replies[message.kind](message, reply, performance.now());
  } catch (error) {
    if (error.reason !== "dropped") self.postMessage({ id: message.id, kind: "problem", ...told(error) });
  } finally {
    if (message.kind === "piece") pieces -= 1;
  }
}

// Lets messages in that came during a long piece of work.
const channel = new MessageChannel();
const turn = () =>
  new Promise((done) => {
    channel.port1.onmessage = done;
    channel.port2.postMessage(null);
  });
