// The microphone, as pieces of sound: `piece(samples, rate)` is called for each.
import { Problem } from "./problem.js";

export async function record(piece) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    // refused, not there, or not a secure page
    throw new Problem("microphone");
  }
  const context = new AudioContext();
  await context.audioWorklet.addModule("recorder_worklet.js");
  const node = new AudioWorkletNode(context, "recorder", {
    channelCount: 1,
    channelCountMode: "explicit",
    numberOfOutputs: 0,
  });
  node.port.onmessage = ({ data }) => piece(data, context.sampleRate);
  context.createMediaStreamSource(stream).connect(node);
  return async () => {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
}

// Float32Array at 16 kHz -> a WAV file, to listen to.
export function wav(waveform, rate) {
  const samples = Int16Array.from(waveform, (sample) => sample * 32767);
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((letter, place) => head.setUint8(at + place, letter.charCodeAt(0)));
  text(0, "RIFF");
  head.setUint32(4, 36 + samples.byteLength, true);
  text(8, "WAVEfmt ");
  [
    [16, 4],
    [1, 2],
    [1, 2],
    [rate, 4],
    [2 * rate, 4],
    [2, 2],
    [16, 2],
  ].reduce((at, [value, bytes]) => {
    if (bytes === 4) head.setUint32(at, value, true);
    else head.setUint16(at, value, true);
    return at + bytes;
  }, 16);
  text(36, "data");
  head.setUint32(40, samples.byteLength, true);
  return new Blob([head, samples], { type: "audio/wav" });
}
