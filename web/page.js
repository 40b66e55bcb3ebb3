// The page: what is done when, and who is asked. What it looks like is in answer.js, table.js and pictures.js; the work
// is done in worker.js.
import { AUDIO, SIZES, TEXTS } from "./data.js";
import { answer, listening, loading, problem, waiting, working } from "./answer.js";
import { element } from "./dom.js";
import { hasSimd, isolated, threads } from "./isolation.js";
import { bars, follow, mel, timeline } from "./pictures.js";
import { record, wav } from "./recorder.js";
import { table } from "./table.js";
import { choose, chosen, fill } from "./texts.js";
import { told } from "./problem.js";

const EXAMPLES = ["uzbek.mp3", "russian.ogg", "english.m4a", "uzbek-then-english.webm"];
const MOST_WHOLE = 100e6; // bytes of a file that is decoded whole, which takes many times as much memory
const NARROW = 700; // px; there the answer is below the button that was clicked

const at = (id) => document.getElementById(id);
const show = (id, ...children) => at(id).replaceChildren(...children.flat());
let texts = chosen();

class Engine {
  // The worker, and the replies to what it is asked.
  constructor() {
    this.worker = new Worker("worker.js", { type: "module" });
    this.last = 0;
    this.asked = new Map();
    this.worker.onmessage = ({ data }) => this.asked.get(data.id)?.(data);
    this.worker.onerror = () => this.asked.forEach((hear) => hear({ kind: "problem", reason: "broken", facts: {} }));
  }

  // Send a message; `hear` gets its replies. Those to earlier messages no longer count.
  ask(message, hear, transfer = []) {
    this.last += 1;
    this.asked = new Map([[this.last, hear]]);
    this.worker.postMessage({ ...message, id: this.last }, transfer);
  }

  // One more message of the same.
  more(message, transfer = []) {
    this.worker.postMessage({ ...message, id: this.last }, transfer);
  }
}

let engine = null;
let state = { kind: "loading", done: 0, total: 0 }; // what the answer's place shows
let waits = null; // what is to be done once the model is there
let stop = null; // ends the recording that is being made
let hardware = {};

// Show a state, also anew in another language.
function set(next) {
  state = next;
  const { kind } = state;
  at("record").textContent = stop ? texts.stop : texts.record;
  at("record").setAttribute("aria-pressed", String(Boolean(stop)));
  if (kind !== "answer" && kind !== "live") show("bars");
  if (kind !== "answer") show("pictures");
  at("pictures").hidden = kind !== "answer";
  if (kind === "loading") show("answer", loading(state.done, state.total, Boolean(waits), texts));
  if (kind === "waiting") show("answer", waiting(texts));
  if (kind === "listening") show("answer", listening(texts));
  if (kind === "problem") show("answer", problem(state, texts));
  if (kind === "working") show("answer", working(state.steps, texts));
  if (kind === "files") show("answer", table(state.rows, texts));
  if (kind === "live") showAnswer({ prediction: state.prediction, damaged: false, took: state.took }, null);
  if (kind === "answer") showAnswer(state, state.source);
}

function showAnswer(result, source) {
  const { prediction } = result,
    size = SIZES[hardware.width] ?? "";
  const facts = { hardware: `WebAssembly × ${hardware.threads}`, model: fill(texts.model, { size }) };
  const player =
    source && element("audio", { controls: true, preload: "metadata", src: source, onerror: () => player.remove() });
  show("answer", answer(result, texts, player ?? "", facts));
  const named = prediction.language !== null && prediction.known !== false;
  show("bars", named ? bars(prediction, texts) : []);
  if (!result.mel) return;
  const pictures = [named ? timeline(prediction, texts) : null, mel(result.mel, prediction.duration, texts)].filter(
    Boolean,
  );
  show("pictures", pictures);
  if (player)
    follow(
      player,
      pictures.map((picture) => picture.querySelector(".web-frame")),
      prediction.duration,
    );
}

// What begins an answer waits for the model, if it must; what came before is dropped.
function start(work) {
  if (engine) work();
  else {
    waits = work;
    set(state);
  }
}

// One message to the worker -> "answer" or "problem", with the steps in between told to `step`.
function asked(message, step) {
  return new Promise((done) => {
    const hear = (reply) => {
      if (reply.kind === "undecodable")
        planesOf(message.file).then((planes) => engine.more({ kind: "planes", planes }), done);
      else if (reply.kind === "answer" || reply.kind === "problem") done(reply);
      else step(reply);
    };
    engine.ask(message, hear);
  });
}

// The browser's own way, for what Mediabunny does not take apart. It decodes whole files. What it throws is a reply.
async function planesOf(file) {
  if (file.size > MOST_WHOLE) throw { kind: "problem", reason: "too_large", facts: {} };
  try {
    const decoded = await new OfflineAudioContext(1, 1, AUDIO.SAMPLE_RATE).decodeAudioData(await file.arrayBuffer());
    return Array.from({ length: decoded.numberOfChannels }, (_, channel) => decoded.getChannelData(channel));
  } catch {
    throw { kind: "problem", reason: "not_audio", facts: {} };
  }
}

function followed() {
  const steps = [];
  return ({ kind, share, code }) => {
    if (kind !== "progress" || share === 1) return;
    steps.push({ share, code });
    set({ kind: "working", steps });
  };
}

async function hearOne(file) {
  set({ kind: "working", steps: [] });
  const reply = await asked({ kind: "file", file }, followed());
  set(reply.kind === "answer" ? { ...reply, source: URL.createObjectURL(file) } : reply);
  reveal();
}

async function hearSeveral(files) {
  const rows = files.map((file) => ({ name: file.name })),
    shown = { kind: "files", rows };
  set(shown);
  for (const [place, file] of files.entries()) {
    const reply = await asked({ kind: "file", file }, () => {});
    if (state !== shown) return; // something else was begun
    Object.assign(
      rows[place],
      reply.kind === "problem" ? { problem: reply } : { prediction: reply.prediction, damaged: reply.damaged },
    );
    set(shown);
  }
}

function take(files) {
  if (files.length === 1) start(() => hearOne(files[0]));
  else if (files.length) start(() => hearSeveral([...files]));
}

async function toggleRecording() {
  if (stop) {
    const ended = stop;
    stop = null;
    await ended();
    return;
  }
  start(async () => {
    let close;
    const finished = asked({ kind: "begin" }, ({ kind, ...live }) => stop && set({ kind, ...live }));
    try {
      close = await record((samples, rate) => engine.more({ kind: "piece", samples, rate }, [samples.buffer]));
    } catch (error) {
      set({ kind: "problem", ...told(error) });
      return;
    }
    stop = async () => {
      await close();
      set({ kind: "working", steps: [] });
      engine.more({ kind: "end" });
    };
    set({ kind: "listening" });
    const reply = await finished;
    if (stop) {
      // it became too long
      stop = null;
      await close();
    }
    set(
      reply.kind === "answer"
        ? { ...reply, source: URL.createObjectURL(wav(reply.waveform, AUDIO.SAMPLE_RATE)) }
        : reply,
    );
    reveal();
  });
}

async function hearExample(name) {
  const reply = await fetch(`../assets/examples/${name}`).catch(() => null);
  if (reply?.ok) take([new File([await reply.blob()], name)]);
  else set({ kind: "problem", reason: "no_model", facts: { file: name } });
}

const reveal = () =>
  at("answer").scrollIntoView({ behavior: "smooth", block: window.innerWidth < NARROW ? "start" : "nearest" });

// All that stands on the page whatever is answered.
function write() {
  document.documentElement.lang = texts.code;
  document.title = texts.title;
  at("title").textContent = texts.title;
  at("introduction").textContent = texts.introduction;
  at("upload-label").textContent = texts.upload;
  at("limits").textContent = texts.limits_note;
  at("examples-heading").textContent = texts.examples;
  at("examples-note").textContent = texts.examples_note;
  at("language-label").textContent = texts.language;
  show(
    "examples",
    EXAMPLES.map((name) =>
      element("button", { type: "button", onclick: () => hearExample(name) }, texts.example_names[name.split(".")[0]]),
    ),
  );
  set(state);
}

function wire() {
  at("record").addEventListener("click", toggleRecording);
  at("files").addEventListener("change", ({ target }) => {
    take([...target.files]);
    target.value = "";
  });
  const zone = at("upload");
  for (const event of ["dragenter", "dragover"]) {
    document.addEventListener(event, (drag) => {
      drag.preventDefault();
      zone.classList.add("web-over");
    });
  }
  document.addEventListener("dragleave", () => zone.classList.remove("web-over"));
  document.addEventListener("drop", (drop) => {
    drop.preventDefault();
    zone.classList.remove("web-over");
    take([...drop.dataTransfer.files]);
  });
  const list = at("language");
  list.append(
    ...Object.values(TEXTS).map(({ code, names }) =>
      element("option", { value: code, lang: code, selected: code === texts.code }, names[code]),
    ),
  );
  list.addEventListener("change", () => {
    choose(list.value);
    texts = chosen();
    write();
  });
}

function load() {
  if (!window.isSecureContext) return set({ kind: "problem", reason: "not_secure", facts: {} });
  if (!hasSimd()) return set({ kind: "problem", reason: "no_simd", facts: {} });
  const loaded = new Engine();
  let failed = false; // what else is on its way still reports its progress
  loaded.ask({ kind: "load", threads: threads() }, (reply) => {
    failed ||= reply.kind === "problem";
    if (reply.kind === "problem" || (reply.kind === "loading" && !failed)) set(reply);
    if (reply.kind !== "ready") return;
    engine = loaded;
    hardware = { threads: threads(), width: reply.width };
    at("answer").setAttribute("aria-live", "polite");
    if (waits) waits();
    else set({ kind: "waiting" });
  });
}

write();
wire();
await isolated();
load();
