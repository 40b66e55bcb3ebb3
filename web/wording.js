// The sentences of an answer: lid/ui/wording.py.
import { CODES, LANGUAGE_NAMES, PAGE } from "./data.js";
import { fill, oneDecimal, percent, seconds } from "./texts.js";
import { DAMAGED, decide, LANGUAGE, NO_SPEECH, NONE_OF_THE_THREE, NOT_SURE, SEVERAL } from "./verdict.js";

// Kind of card for each verdict but LANGUAGE; that one has its language's colour.
export const CARDS = {
  [NO_SPEECH]: "silence",
  [DAMAGED]: "silence",
  [NONE_OF_THE_THREE]: "unknown",
  [SEVERAL]: "several",
  [NOT_SURE]: "unsure",
};

// -> {kind, headline, share, lead, notes}
export function inWords(prediction, damaged, texts) {
  const decided = decide(prediction, damaged);
  const [headline, share] = headlineOf(prediction, decided, texts);
  const lead = comment(prediction, decided, texts),
    notes = [];
  if (prediction.language !== null) {
    if (prediction.speech < PAGE.SHORT_SPEECH)
      notes.push(fill(texts.short_speech, { speech: seconds(prediction.speech, texts) }));
    if (damaged) notes.push(fill(texts.damaged, { duration: seconds(prediction.duration, texts) }));
  }
  return { kind: CARDS[decided.kind] ?? decided.languages[0], headline, share, lead, notes };
}

export function spoken(prediction, texts) {
  const { speech, duration } = prediction;
  return fill(texts.spoken, { speech: seconds(speech, texts), duration: seconds(duration, texts) });
}

// The result in one line of text.
export function numbers(prediction, damaged, texts) {
  let [headline, share] = headlineOf(prediction, decide(prediction, damaged), texts);
  const other = soundsLike(prediction, damaged, texts);
  if (other) headline = `${headline}. ${other}`;
  const shares = CODES.map(
    (code) => `${texts.names[code]} ${oneDecimal(100 * prediction.probabilities[code], texts)} %`,
  );
  return `${`${headline} ${share}`.trim()} (${shares.join(", ")}; ${spoken(prediction, texts)})`;
}

// The sentence that says what other language it sounds like; empty where that is not said.
export function soundsLike(prediction, damaged, texts) {
  const code = decide(prediction, damaged).soundsLike;
  return code ? fill(texts.sounds_like, { language: LANGUAGE_NAMES[texts.code][code] ?? code }) : "";
}

export function explained({ reason, facts }, texts) {
  return fill(texts.problems[reason] ?? texts.problems.broken, facts);
}

function headlineOf(prediction, decided, texts) {
  if (decided.kind === LANGUAGE) {
    const [code] = decided.languages;
    return [texts.names[code], percent(prediction.probabilities[code])];
  }
  if (decided.kind === SEVERAL) {
    const [first, ...others] = decided.languages;
    const names = [texts.names[first], ...others.map((code) => inside(texts, code))];
    return [[names.slice(0, -1).join(", "), names.at(-1)].join(texts.joined), ""];
  }
  const headlines = {
    [NO_SPEECH]: texts.silence,
    [DAMAGED]: texts.unreadable,
    [NONE_OF_THE_THREE]: texts.unknown,
    [NOT_SURE]: texts.unsure,
  };
  return [headlines[decided.kind], ""];
}

function comment(prediction, decided, texts) {
  const { probabilities } = prediction,
    duration = seconds(prediction.duration, texts);
  const [first, second] = [...CODES].sort((one, other) => probabilities[other] - probabilities[one]);
  const facts = {
    first: inside(texts, first),
    first_share: percent(probabilities[first]),
    second: inside(texts, second),
    second_share: percent(probabilities[second]),
  };
  const other = soundsLike(prediction, decided.kind === DAMAGED, texts);
  switch (decided.kind) {
    case LANGUAGE: {
      const sentence = texts.certainties.find(([least]) => probabilities[first] >= least)[1];
      return probabilities[first] < texts.certainties[0][0] ? `${sentence} ${fill(texts.next_comes, facts)}` : sentence;
    }
    case NOT_SURE: {
      const sentence = fill(texts.unsure_note, facts);
      return sentence[0].toUpperCase() + sentence.slice(1);
    }
    case NO_SPEECH:
      return fill(texts.silence_note, { duration });
    case DAMAGED:
      return fill(texts.unreadable_note, { duration });
    case NONE_OF_THE_THREE:
      return other ? `${other} ${texts.sounds_like_advice}` : texts.unknown_note;
    default:
      return texts.several;
  }
}

// A language's name inside a sentence: only English keeps the capital letter there.
const inside = (texts, code) => (texts.code === "en" ? texts.names[code] : texts.names[code].toLowerCase());
