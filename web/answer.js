// The card that says the answer, and its other states.
import { COLOURS } from "./data.js";
import { element } from "./dom.js";
import { fill, seconds } from "./texts.js";
import { asJson } from "./verdict.js";
import { explained, inWords, numbers, spoken } from "./wording.js";

const COPIED = 2000; // ms that a button says so

export const waiting = (texts) => card("waiting", { headline: texts.waiting, lead: texts.waiting_note });
export const listening = (texts) => card("listening", { headline: texts.listening, lead: texts.listening_note });
export const problem = (error, texts) => card("problem", { headline: texts.failed, lead: explained(error, texts) });

// While the model is loaded; `expected`: a recording waits for it.
export function loading(done, total, expected, texts) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1).replace(".", texts.decimal_comma ? "," : ".");
  const headline = fill(texts.loading, { done: megabytes(done), total: megabytes(total) });
  const bar = progress(headline, total ? done / total : 0, [
    element("span", { style: `width:${total ? (100 * done) / total : 0}%` }),
  ]);
  return card("loading", { headline, bar, lead: expected ? texts.ready_note : texts.loading_note });
}

// A bar in the colours of the languages heard so far: [{share, code}, ...].
export function working(steps, texts) {
  const share = steps.at(-1)?.share ?? 0,
    headline = fill(texts.progress, { share: Math.round(100 * share) });
  const parts = steps.map(({ share: end, code }, place) => {
    const width = 100 * (end - (steps[place - 1]?.share ?? 0));
    return element("span", { style: `width:${width}%;background:${COLOURS[code]}` });
  });
  return card("working", { headline, bar: progress(headline, share, parts), legend: legend(texts) });
}

export function answer({ prediction, damaged, took }, texts, player, hardware) {
  const { kind, headline, share, lead, notes } = inWords(prediction, damaged, texts);
  const aside = fill(texts.took, { took: seconds(took, texts), ...hardware });
  if (prediction.language === null) return card(kind, { headline, share, lead, player, aside });
  const buttons = [
    copy(texts.copy, numbers(prediction, damaged, texts), texts),
    copy(texts.copy_json, JSON.stringify(asJson(prediction, damaged)), texts),
  ];
  return card(kind, {
    headline,
    share,
    lead,
    notes,
    player,
    aside: `${spoken(prediction, texts)} · ${aside}`,
    buttons,
  });
}

export function legend(texts) {
  return element(
    "p",
    { class: "lid-legend" },
    Object.entries(texts.names).map(([code, name]) => element("span", {}, dot(code), name)),
  );
}

export const dot = (code) => element("span", { class: "lid-dot", style: `--tone:${COLOURS[code]}` });

export function card(
  kind,
  { headline, share = "", lead = "", notes = [], aside = "", bar = "", legend = "", player = "", buttons = [] },
) {
  const tone = COLOURS[kind] ? `--tone:${COLOURS[kind]}` : "";
  const paragraph = (name, text) => text && element("p", { class: name }, text);
  return element(
    "section",
    { class: `lid-card lid-${kind}`, "data-kind": kind, style: tone },
    element(
      "p",
      { class: "lid-headline" },
      element("span", {}, headline),
      " ",
      share && element("span", { class: "lid-share" }, share),
    ),
    bar,
    paragraph("lid-lead", lead),
    notes.map((note) => paragraph("lid-note", note)),
    paragraph("lid-fine", aside),
    legend,
    player,
    buttons,
  );
}

function progress(label, share, parts) {
  const now = Math.round(100 * share);
  return element(
    "div",
    { class: "lid-progress", role: "progressbar", "aria-label": label, "aria-valuenow": now },
    parts,
  );
}

function copy(label, text, texts) {
  const button = element("button", { type: "button", class: "lid-copy" }, label);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = texts.copied;
    setTimeout(() => {
      button.textContent = label;
    }, COPIED);
  });
  return button;
}
