// Two speakers, one a channel: lid/speakers.py.
import { CODES, WINDOWS } from "./data.js";
import { largest, round } from "./numbers.js";

const { FRAME_SECONDS } = WINDOWS;

// Channel -> prediction, as one prediction.
export function together(heard) {
  const everyone = [...heard.values()];
  const known = [...heard].filter(([, one]) => one.known !== false);
  const counted = known.length ? known : [...heard];
  const seconds = counted.reduce((sum, [, one]) => sum + one.speech, 0);
  const shares = CODES.map(
    (code) => counted.reduce((sum, [, one]) => sum + one.probabilities[code] * one.speech, 0) / seconds,
  );
  const scores = everyone.map((one) => one.knownScore).filter((score) => score !== null);
  const entries = counted.flatMap(([channel, one]) => one.timeline.map((entry) => ({ ...entry, channel })));
  return {
    ...everyone[0],
    language: CODES[largest(shares)],
    probabilities: Object.fromEntries(CODES.map((code, place) => [code, round(shares[place], 6)])),
    speech: frames(everyone).size * FRAME_SECONDS,
    timeline: entries.sort((one, other) => one.start - other.start || one.channel - other.channel),
    known: scores.length ? everyone.some((one) => one.known) : null,
    knownScore: scores.length ? Math.max(...scores) : null,
    soundsLike: soundsLike(everyone),
    channels: { kind: "two", heard: [...heard.keys()], of: heard.size },
    speakers: everyone,
  };
}

// `progress` for a part of the work: `share` of it, before which `done` of it was done.
export const partOf = (progress, done, share) => (part, code) => progress(Math.min(1, done + share * part), code);

// The frames, counted from the recording's start, in which anybody speaks.
function frames(everyone) {
  return new Set(everyone.flatMap((one) => Array.from(one.starts, (start) => Math.round(start / FRAME_SECONDS))));
}

function soundsLike(everyone) {
  const told = everyone.map((one) => one.soundsLike).filter(Boolean);
  if (told.length < everyone.length || new Set(told.map((one) => one.language)).size > 1) return null;
  const seconds = everyone.reduce((sum, one) => sum + one.speech, 0);
  const mean = everyone.reduce((sum, one) => sum + one.soundsLike.probability * one.speech, 0) / seconds;
  return { language: told[0].language, probability: round(mean, 6) };
}
