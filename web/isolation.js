// The service worker, and with it the isolation from other pages without which a browser gives a page no threads.
import { recall, remember } from "./memory.js";

const TRIED = "lid-isolation-tried";
const PATIENCE = 4000; // ms to wait for the service worker; then the page goes on with one thread

// Resolves once the page may go on. Where its server does not isolate it, the page is loaded once more, through the
// service worker, which does.
export async function isolated() {
  if (!navigator.serviceWorker) return;
  const registered = navigator.serviceWorker.register("service_worker.js").catch(() => null);
  if (window.crossOriginIsolated) remember(TRIED, "", "sessionStorage");
  if (window.crossOriginIsolated || navigator.hardwareConcurrency < 2) return;
  if (recall(TRIED, "sessionStorage") || !(await registered)) return;
  const ready = navigator.serviceWorker.ready.then(() => true);
  const late = new Promise((done) => {
    setTimeout(done, PATIENCE, false);
  });
  if (!(await Promise.race([ready, late]))) return;
  if (!remember(TRIED, "yes", "sessionStorage")) return; // it might be loaded over and over
  location.reload();
  await new Promise(() => {});
}

// How many threads to compute with: a phone's slow cores would hold up its fast ones.
export const threads = () => (window.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1);

// The smallest module with an instruction of WebAssembly SIMD: i8x16.splat.
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];
export const hasSimd = () => typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(SIMD));
