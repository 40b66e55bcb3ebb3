// A file -> sound at 16 kHz, piece by piece, so that an hour takes no more memory than its sound at 16 kHz: Mediabunny
// takes the container apart, the browser's own decoders (WebCodecs) decode. In Python: lid/audio/__init__.py.
import { AUDIO, VERDICT } from "./data.js";
import { sortOut } from "./channels.js";
import { gaps } from "./gaps.js";
import { Problem } from "./problem.js";
import { Sound } from "./sound.js";

const { SAMPLE_RATE } = AUDIO;
const ENOUGH_SPEECH = 0.5; // seconds in a track, with which the ones after it are not looked at

// -> {sounds, channels, track, damaged}. `speech(sounds)` says how many seconds of speech are in a track. Throws
// Problem "undecodable" where only decodeAudioData may know what to do.
export async function decode(file, speech) {
  if (!file.size) throw new Problem("empty");
  const { ALL_FORMATS, BlobSource, Input } = await import("./vendor/mediabunny.js");
  const input = new Input({ formats: ALL_FORMATS, source: new BlobSource(file) });
  try {
    const tracks = await decodable(input);
    if (!tracks.length) throw new Problem("undecodable");
    return await firstThatSpeaks(input, file, tracks, speech);
  } finally {
    input.dispose();
  }
}

// What planes at 16 kHz, of decodeAudioData, are as a recording.
export function ofPlanes(planes) {
  const sound = new Sound(planes[0].length / SAMPLE_RATE);
  sound.push(planes, SAMPLE_RATE);
  return recording(sound.finish());
}

async function decodable(input) {
  try {
    const all = await input.getAudioTracks(),
      first = await input.getPrimaryAudioTrack();
    const known = await Promise.all(all.map((track) => track.canDecode()));
    const able = all
      .map((track, index) => ({ track, number: index + 1, of: all.length }))
      .filter((_, index) => known[index]);
    return able.sort((one, other) => (other.track === first) - (one.track === first));
  } catch {
    // no container that Mediabunny knows
    return [];
  }
}

async function firstThatSpeaks(input, file, tracks, speech) {
  let best = null,
    most = -1,
    failure = null;
  for (const { track, number, of } of tracks) {
    let found;
    try {
      found = await readTrack(input, file, track);
    } catch (error) {
      if (!["unreadable", "too_short"].includes(error.reason)) throw error;
      failure ??= error;
      continue;
    }
    if (of > 1) found.track = { number, of };
    if (tracks.length === 1) return found;
    const seconds = await speech(found.sounds);
    if (seconds > most) [best, most] = [found, seconds];
    if (most >= ENOUGH_SPEECH) break;
  }
  if (!best) throw failure;
  return best;
}

async function readTrack(input, file, track) {
  const { AudioSampleSink, OGG } = await import("./vendor/mediabunny.js");
  const inOgg = (await input.getFormat()) === OGG,
    inMp3 = (await track.getCodec()) === "mp3";
  const declared = await (inOgg ? input.computeDuration([track]) : input.getDurationFromMetadata([track])).catch(
    () => null,
  );
  const [late, after] = inMp3 ? await gaps(file) : [0, 0];
  const sound = new Sound(declared ?? undefined);
  let damaged = false;
  try {
    for await (const sample of new AudioSampleSink(track).samples()) {
      const { timestamp, numberOfFrames, sampleRate } = sample;
      // Encoders begin with samples that are none of the sound; containers give them times before 0.
      const skipped = Math.min(numberOfFrames, Math.max(0, Math.round(late - timestamp * sampleRate)));
      const end = inOgg && declared ? Math.round((declared - timestamp) * sampleRate) : numberOfFrames;
      const planes = planesOf(sample).map((plane) => plane.subarray(skipped, Math.max(skipped, end)));
      sample.close();
      sound.push(planes, Math.round(sampleRate));
    }
  } catch (error) {
    // what could be read before counts
    if (error instanceof Problem || error instanceof RangeError) throw error;
    damaged = true;
  }
  const rows = sound.finish(damaged ? 0 : after);
  damaged ||= Boolean(declared) && rows[0].length / SAMPLE_RATE < (1 - VERDICT.MISSING_SHARE) * declared;
  return { ...recording(rows), damaged };
}

function planesOf(sample) {
  return Array.from({ length: sample.numberOfChannels }, (_, planeIndex) => {
    const plane = new Float32Array(sample.numberOfFrames);
    sample.copyTo(plane, { planeIndex, format: "f32-planar" });
    return plane;
  });
}

function recording(rows) {
  const { channels, sounds } = rows.length === 2 ? sortOut(...rows) : { channels: null, sounds: rows };
  for (const sound of sounds) {
    for (let place = 0; place < sound.length; place++) sound[place] = Math.min(1, Math.max(-1, sound[place]));
  }
  return { sounds, channels, track: null, damaged: false };
}
