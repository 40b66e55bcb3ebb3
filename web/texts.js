// The page's language: the one asked for last, else the browser's.
import { TEXTS } from "./data.js";
import { recall, remember } from "./memory.js";

const CHOSEN = "lid-language";

export function chosen() {
  const wanted = recall(CHOSEN) ?? navigator.language ?? "en";
  return TEXTS[wanted.toLowerCase().split("-")[0]] ?? TEXTS.en;
}

export function choose(code) {
  remember(CHOSEN, code);
}

// The {names} of a text filled in.
export const fill = (text, facts) => text.replace(/\{(\w+)[^}]*\}/g, (_, name) => facts[name]);

// A noun with its count, in the right plural form.
export const counted = (forms, count, texts) => fill(forms[texts.plural[count]], { count });

export function oneDecimal(value, texts) {
  const number = value.toFixed(1);
  return texts.decimal_comma ? number.replace(".", ",") : number;
}

export const seconds = (value, texts) => fill(texts.seconds, { number: oneDecimal(value, texts) });

// A probability in [0, 1]. Never 0 % or 100 %, which no model can promise.
export function percent(probability) {
  if (probability > 0.995) return "> 99 %";
  return probability < 0.01 ? "< 1 %" : `${(100 * probability).toFixed(0)} %`;
}
