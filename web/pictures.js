// The pictures of an answer: bars, timeline, spectrogram. lid/ui/plots.py has the like for Gradio.
import { CODES, COLOURS, HEAT, PICTURES } from "./data.js";
import { legend } from "./answer.js";
import { element } from "./dom.js";
import { fill, oneDecimal, percent } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const { DB_PER_UNIT, MAX_ENTRIES, MEL_TICKS, TIME_STEPS } = PICTURES;
const DARKEST_DB = -80;
const MOST_TOLD = 20; // stretches of one language that are told to who does not see them
const ROW = 100,
  ROW_GAP = 12; // of a channel's row and between two, in the timeline's own units

export function bars(prediction, texts) {
  const rows = CODES.map((code) => {
    const share = prediction.probabilities[code];
    const bar = element("span", { class: "web-bar", style: `width:${100 * share}%;background:${COLOURS[code]}` });
    return element(
      "li",
      {},
      element("span", { class: "web-name" }, texts.names[code]),
      element("span", { class: "web-track" }, bar),
      element("span", { class: "web-percent" }, percent(share)),
    );
  });
  return [
    element("ul", { class: "web-bars", "aria-label": texts.labels.probability }, rows),
    element("p", { class: "lid-fine" }, texts.bars_note),
  ];
}

// About a second of speech a column, shared out between the languages. Each channel has its row.
export function timeline(prediction, texts) {
  const { duration } = prediction;
  const channels = [...new Set(prediction.timeline.map((entry) => entry.channel ?? 1))].sort();
  const height = Math.max(1, channels.length) * (ROW + ROW_GAP) - ROW_GAP;
  const drawing = svg("svg", {
    viewBox: `0 0 ${duration} ${height}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  channels.forEach((channel, row) => {
    const entries = prediction.timeline.filter((entry) => (entry.channel ?? 1) === channel);
    for (const { start, end, probabilities } of merged(entries, duration)) {
      let below = (row + 1) * ROW + row * ROW_GAP;
      for (const code of CODES) {
        const share = ROW * probabilities[code];
        below -= share;
        drawing.append(svg("rect", { x: start, y: below, width: end - start, height: share, fill: COLOURS[code] }));
      }
    }
  });
  const ticks =
    channels.length > 1
      ? channels
          .map((channel, row) => [row * (ROW + ROW_GAP) + ROW / 2, channel])
          .map(([at, name]) => [at / height, name])
      : [
          [0, 100],
          [0.5, 50],
          [1, 0],
        ];
  const title = channels.length > 1 ? texts.labels.channel : texts.labels.probability;
  return picture("timeline", texts, drawing, duration, {
    title,
    ticks,
    summary: summary(prediction, texts),
    legend: legend(texts),
  });
}

// Time along, pitch upwards, bright is loud.
export function mel({ data, bands, columns }, duration, texts) {
  const canvas = element("canvas", { width: columns, height: bands, "aria-hidden": "true" });
  const context = canvas.getContext("2d"),
    image = context.createImageData(columns, bands);
  const loudest = data.reduce((most, value) => Math.max(most, value), -Infinity);
  data.forEach((value, place) => {
    const band = Math.floor(place / columns),
      column = place % columns;
    const pixel = 4 * ((bands - 1 - band) * columns + column);
    image.data.set([...colour(1 - (DB_PER_UNIT * (value - loudest)) / DARKEST_DB), 255], pixel);
  });
  context.putImageData(image, 0, 0);
  const ticks = MEL_TICKS.map(([hertz, height]) => [1 - (height * (bands + 1) - 0.5) / bands, hertz]);
  const scale = element(
    "p",
    { class: "web-scale lid-fine" },
    texts.labels.loudness,
    " ",
    String(DARKEST_DB),
    element("span", { style: `background:linear-gradient(90deg,${HEAT.join(",")})` }),
    "0",
  );
  return picture("mel", texts, canvas, duration, {
    title: texts.labels.frequency,
    ticks,
    summary: texts.pictures.mel[1],
    legend: scale,
  });
}

// A line over the pictures where the player is, and a click in one plays from there.
export function follow(player, frames, duration) {
  for (const frame of frames) {
    frame.addEventListener("click", (click) => {
      const box = frame.getBoundingClientRect();
      player.currentTime = ((click.clientX - box.left) / box.width) * duration;
      player.play().catch(() => {});
    });
  }
  const move = () => {
    for (const frame of frames) {
      const head = frame.querySelector(".lid-playhead");
      head.style.left = `${100 * Math.min(1, player.currentTime / duration)}%`;
      head.hidden = player.currentTime === 0;
    }
    if (!player.paused) requestAnimationFrame(move);
  };
  for (const event of ["play", "seeked", "timeupdate"]) player.addEventListener(event, move);
}

function picture(name, texts, drawing, duration, { title, ticks, summary: said, legend: key }) {
  const [heading, caption] = texts.pictures[name];
  const step = TIME_STEPS.find((one) => duration / one <= 10) ?? duration / 10;
  const times = Array.from({ length: Math.floor(duration / step) + 1 }, (_, count) => count * step);
  const time = (at) =>
    element(
      "span",
      { style: `left:${(100 * at) / duration}%` },
      String(Number(at.toFixed(1))).replace(".", texts.decimal_comma ? "," : "."),
    );
  return element(
    "figure",
    { class: `web-picture web-${name}`, id: name },
    element("figcaption", { class: "lid-section" }, element("h2", {}, heading), key),
    element("p", { class: "web-axis-title lid-fine", "aria-hidden": "true" }, title),
    element(
      "div",
      { class: "web-plot", role: "img", "aria-label": said },
      element(
        "div",
        { class: "web-ticks", "aria-hidden": "true" },
        ticks.map(([at, label]) => element("span", { style: `top:${100 * at}%` }, String(label))),
      ),
      element("div", { class: "web-frame" }, drawing, element("div", { class: "lid-playhead", hidden: true })),
      element("div", { class: "web-times", "aria-hidden": "true" }, times.map(time)),
    ),
    element("p", { class: "web-axis-title web-right lid-fine", "aria-hidden": "true" }, texts.labels.time),
    element("p", { class: "lid-fine" }, caption),
  );
}

// For who does not see it: which language is the likeliest when.
function summary(prediction, texts) {
  const runs = [];
  for (const { start, end, probabilities, channel } of prediction.timeline) {
    const code = CODES.reduce((best, one) => (probabilities[one] > probabilities[best] ? one : best));
    const last = runs.at(-1);
    if (last && last.code === code && last.channel === channel) last.end = end;
    else runs.push({ start, end, code, channel });
  }
  const time = (value) => oneDecimal(value, texts);
  const sentence = ({ start, end, code, channel }) => {
    const where = channel ? ` (${texts.labels.channel} ${channel})` : "";
    return `${time(start)}–${time(end)} ${texts.labels.second}: ${texts.names[code]}${where}`;
  };
  return runs.slice(0, MOST_TOLD).map(sentence).join("; ");
}

// Entries of one stretch of a long recording averaged into one, each weighing what it lasts.
function merged(entries, duration) {
  if (entries.length <= MAX_ENTRIES) return entries;
  const groups = Map.groupBy(entries, (entry) => Math.floor((entry.start / duration) * MAX_ENTRIES));
  return [...groups.values()].map((group) => {
    const seconds = group.reduce((sum, { start, end }) => sum + end - start, 0);
    const share = (code) =>
      group.reduce((sum, { start, end, probabilities }) => sum + (end - start) * probabilities[code], 0) / seconds;
    return {
      start: group[0].start,
      end: group.at(-1).end,
      probabilities: Object.fromEntries(CODES.map((code) => [code, share(code)])),
    };
  });
}

// From 0, dark, to 1, bright, between the steps of the scale.
function colour(level) {
  const place = Math.min(1, Math.max(0, level)) * (HEAT.length - 1),
    below = Math.min(Math.floor(place), HEAT.length - 2);
  const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const [one, other] = [channels(HEAT[below]), channels(HEAT[below + 1])];
  return one.map((value, channel) => value + (other[channel] - value) * (place - below));
}

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
