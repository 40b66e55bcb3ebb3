// What may be said of a recording: lid/verdict.py. And the JSON of an answer, with the keys of `lid --json`.
import { VERDICT } from "./data.js";
import { round } from "./numbers.js";

export const { LANGUAGE, NOT_SURE, NONE_OF_THE_THREE, SEVERAL, NO_SPEECH, DAMAGED } = VERDICT;

// -> {kind, languages, soundsLike}
export function decide(prediction, damaged = false) {
  const verdict = (kind, languages = [], soundsLike = null) => ({ kind, languages, soundsLike });
  if (prediction.language === null) return verdict(damaged ? DAMAGED : NO_SPEECH);
  if (prediction.known === false) {
    const likeliest = prediction.soundsLike;
    return verdict(
      NONE_OF_THE_THREE,
      [],
      likeliest && likeliest.probability >= VERDICT.SAID ? likeliest.language : null,
    );
  }
  const languages = languagesHeard(prediction);
  if (languages.length > 1) return verdict(SEVERAL, languages);
  if (prediction.probabilities[prediction.language] < VERDICT.SURE) return verdict(NOT_SURE);
  return verdict(LANGUAGE, [prediction.language]);
}

function languagesHeard(prediction) {
  if (prediction.speakers.length) {
    return [...new Set(prediction.speakers.flatMap((speaker) => decide(speaker).languages))];
  }
  const seconds = new Map();
  for (const { start, end, probabilities } of prediction.timeline) {
    const [code, probability] = Object.entries(probabilities).reduce((best, one) => (one[1] > best[1] ? one : best));
    if (probability >= VERDICT.PART_PROBABILITY) seconds.set(code, (seconds.get(code) ?? 0) + end - start);
  }
  const least = Math.max(VERDICT.PART_SECONDS, VERDICT.PART_SHARE * prediction.speech);
  return [...seconds].filter(([, length]) => length >= least).map(([code]) => code);
}

export function asJson(prediction, damaged = false) {
  const { track, channels, speakers } = prediction;
  const answer = {
    ...beginning(prediction, damaged),
    duration_seconds: round(prediction.duration, 3),
    speech_seconds: round(prediction.speech, 3),
    damaged,
    timeline: prediction.timeline,
  };
  if (track) answer.track = track;
  if (channels && channels.kind !== "same") answer.channels = channels;
  if (speakers.length) {
    answer.speakers = speakers.map((one, index) => ({
      channel: channels.heard[index],
      ...beginning(one),
      speech_seconds: round(one.speech, 3),
    }));
  }
  return answer;
}

function beginning(prediction, damaged = false) {
  const { kind, languages } = decide(prediction, damaged);
  const { language, probabilities, known, knownScore, soundsLike } = prediction;
  return { verdict: kind, languages, language, probabilities, known, known_score: knownScore, sounds_like: soundsLike };
}
