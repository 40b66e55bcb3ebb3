// The four graphs and what runs them: fetched with their progress, kept for the next visit, checked, opened.
import { GRAPH_FORMAT, RUNTIME_VERSION, VOICE_SHA256 } from "./data.js";
import { metadata } from "./metadata.mjs";
import { Problem } from "./problem.js";

const MODEL = new URL("../assets/model/", import.meta.url);
const VOICE = new URL("../lid/graphs/silero_vad.onnx", import.meta.url);
const VENDOR = new URL("vendor/", import.meta.url);
const FILES = { encoder: "onnx/model_quantized.onnx", log_mel: "onnx/log_mel.onnx", decision: "onnx/decision.onnx" };
const CACHE = "lid-graphs";
const QUIET = 3; // ONNX Runtime's level of its log: errors

// -> {encoder, log_mel, decision, voice}, each {run(inputs, outputs), about}. `progress(done, total)` is in bytes.
export async function open(threads, progress) {
  const sums = await manifest();
  const wanted = [
    ...Object.entries(FILES).map(([kind, name]) => ({ kind, url: new URL(name, MODEL), sum: sums[name] })),
    { kind: "voice", url: VOICE, sum: VOICE_SHA256 },
    { kind: "runtime", url: new URL("ort.wasm.gz", VENDOR), version: RUNTIME_VERSION },
  ];
  await forget(wanted);
  const counter = count(wanted.length, progress);
  const [ort, ...loaded] = await Promise.all([runtime(), ...wanted.map((file) => load(file, counter))]);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = await unpacked(loaded.pop());
  const opened = {};
  for (const [place, bytes] of loaded.entries()) {
    const { kind, url } = wanted[place];
    opened[kind] = await openOne(ort, kind, nameOf(url), bytes);
  }
  return opened;
}

async function manifest() {
  const reply = await reach(new URL("manifest.json", MODEL), { cache: "no-cache" });
  try {
    return (await reply.json()).sha256;
  } catch {
    throw new Problem("damaged_model", { file: "manifest.json" });
  }
}

async function runtime() {
  try {
    return await import(new URL("ort.js", VENDOR));
  } catch {
    throw new Problem("no_runtime");
  }
}

async function openOne(ort, kind, file, bytes) {
  let about;
  try {
    about = metadata(bytes);
  } catch {
    throw new Problem("damaged_model", { file });
  }
  if (about.graph !== kind) throw new Problem("damaged_model", { file });
  if (about.format !== GRAPH_FORMAT) throw new Problem("other_version", { file });
  const options = { executionProviders: ["wasm"], logSeverityLevel: QUIET };
  const session = await ort.InferenceSession.create(bytes, options).catch((error) => {
    console.warn(error);
    throw new Problem("damaged_model", { file });
  });
  const run = (inputs, outputs) => {
    const tensors = Object.entries(inputs).map(([name, [values, shape]]) => [
      name,
      new ort.Tensor("float32", values, shape),
    ]);
    return session.run(Object.fromEntries(tensors), outputs);
  };
  return { run, about, outputs: session.outputNames };
}

// The bytes of a file, from the cache of an earlier visit or from the network. No bytes get further than this whose sum
// differs, and none of them are kept.
async function load({ kind, url, sum, version }, counter) {
  const absent = new Problem(kind === "runtime" ? "no_runtime" : "no_model", { file: nameOf(url) });
  if (kind !== "runtime" && !sum) throw new Problem("damaged_model", { file: "manifest.json" });
  const key = keyOf({ url, sum, version }),
    cache = await caches?.open(CACHE).catch(() => null);
  const kept = await cache?.match(key);
  const reply = kept ?? (await reach(url, {}, absent));
  const bytes = await read(reply, counter, absent);
  if (sum && (await sha256(bytes)) !== sum) {
    await cache?.delete(key);
    throw new Problem("damaged_model", { file: nameOf(url) });
  }
  if (!kept) await cache?.put(key, new Response(bytes)).catch(() => {}); // no room: it is fetched again next time
  return bytes;
}

// What was kept of graphs that were there before goes.
async function forget(wanted) {
  const cache = await caches?.open(CACHE).catch(() => null);
  const keys = new Set(wanted.map(keyOf));
  for (const request of (await cache?.keys()) ?? []) if (!keys.has(request.url)) await cache.delete(request);
}

const keyOf = ({ url, sum, version }) => `${url}?${sum ?? version}`;
const nameOf = (url) => url.pathname.split("/").pop();

async function reach(url, options = {}, problem = new Problem("no_model", { file: nameOf(url) })) {
  const reply = await fetch(url, options).catch(() => {
    throw problem;
  });
  if (!reply.ok) throw problem;
  return reply;
}

// A response to the end, its bytes counted as they come.
async function read(reply, counter, problem) {
  const stopped = () => {
    throw problem;
  };
  const report = counter(Number(reply.headers.get("Content-Length")) || 0);
  const parts = [],
    reader = reply.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(stopped);
    if (done) break;
    parts.push(value);
    report(value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// One progress for all files: nothing is told before each has said how long it is.
function count(files, progress) {
  let known = 0,
    total = 0,
    done = 0;
  return (length) => {
    known += 1;
    total += length;
    return (bytes) => {
      done += bytes;
      if (known === files) progress(done, Math.max(done, total));
    };
  };
}

async function unpacked(bytes) {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return await new Response(stream).arrayBuffer();
  } catch {
    throw new Problem("no_runtime");
  }
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
