// Lets the page work without a network, and have threads where its server does not send the headers for them.
//
// The page's own files are asked for at the server each time, and taken from the cache where that cannot be reached.
// The graphs are none of its business: graphs.js keeps them, by their sums.
const CACHE = "lid-page";
const FILES = [
  "./",
  "style.css",
  "../lid/ui/style.css",
  "../lid/ui/favicon.svg",
  "../assets/model/manifest.json",
  "page.js",
  "answer.js",
  "channels.js",
  "data.js",
  "decode.js",
  "dom.js",
  "gaps.js",
  "graphs.js",
  "identify.js",
  "isolation.js",
  "mel.js",
  "memory.js",
  "metadata.mjs",
  "numbers.js",
  "pictures.js",
  "problem.js",
  "recorder.js",
  "recorder_worklet.js",
  "resampler.js",
  "sound.js",
  "speakers.js",
  "table.js",
  "texts.js",
  "verdict.js",
  "voice.js",
  "windows.js",
  "wording.js",
  "worker.js",
  "vendor/ort.js",
  "vendor/mediabunny.js",
  ...["uzbek.mp3", "russian.ogg", "english.m4a", "uzbek-then-english.webm"].map((name) => `../assets/examples/${name}`),
];
const LARGE = /\.(onnx|gz)$/;
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(CACHE).then((cache) => Promise.allSettled(FILES.map((file) => cache.add(file)))));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin || LARGE.test(url.pathname)) return;
  event.respondWith(answer(event.request));
});

async function answer(request) {
  const cache = await caches.open(CACHE);
  let reply;
  try {
    reply = await fetch(request);
    if (reply.status === 200) await cache.put(request, reply.clone()).catch(() => {});
  } catch (error) {
    reply = await cache.match(request, { ignoreVary: true });
    if (!reply) throw error;
  }
  const headers = new Headers(reply.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  // A status of 0 or 304 has no body to pass on.
  return reply.body ? new Response(reply.body, { status: reply.status, statusText: reply.statusText, headers }) : reply;
}
