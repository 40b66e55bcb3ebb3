// Gradio's recorder: what happens when the microphone cannot be used, how loud it is, and how keys and tabs work it.
// Gradio (checked in 6.31) lets a refused microphone end in an uncaught error or in the console; it shows a picture of the
// sound only after the recording; it replaces the record button by another one, so that the keyboard's focus is lost; it
// goes on recording in a tab that is hidden; the list of microphones has an English name, and "Stop" is misspelt in Uzbek.
// So a press on its button opens the microphone first. Only if that works, the press goes on to Gradio, which then gets the
// open microphone from `navigator.mediaDevices.getUserMedia`; else the answer's card says why (lidMicrophoneCard()).
// Check at an upgrade: getUserMedia, `.record-button`, `.stop-button`, `select.mic-select`, and that live mode's encoder is
// two workers.
(() => {
  const RECORDERS = ["#microphone", "#live"], BUTTONS = ".record-button, .stop-button";
  const SHORTEST = 1000;  // ms of recording
  const PATIENCE = 10000;  // ms until live mode's encoder is there
  let problem = "denied", opened = null, began = 0;

  const browser = () => {
    const agent = navigator.userAgent;
    if (/iPhone|iPad/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1)) return "ios";
    if (/Android/.test(agent)) return "android";
    if (/Firefox/.test(agent)) return "firefox";
    return /Safari/.test(agent) && !/Chrome|Chromium/.test(agent) ? "safari" : "chrome";
  };
  const kindOf = (error) => {
    if (!window.isSecureContext) return "insecure";
    if (["NotFoundError", "OverconstrainedError"].includes(error?.name)) return "absent";
    return ["NotReadableError", "AbortError"].includes(error?.name) ? "busy" : "denied";
  };
  window.lidMicrophoneCard = () => {
    const cards = window.lidLanguage().microphone[problem];
    return [typeof cards === "string" ? cards : cards[browser()]];
  };
  const refuse = (error) => {
    problem = kindOf(error);
    window.lidPress("refused");
    setTimeout(window.lidShowAnswer, 100);
  };

  // The level of the sound, 0 to 1, as the CSS variable --level while a microphone is open.
  const follow = (stream) => {
    const inputs = document.querySelector(".lid-inputs");
    const context = new AudioContext(), meter = context.createAnalyser(), [track] = stream.getAudioTracks();
    const samples = new Float32Array(meter.fftSize = 2048);
    context.createMediaStreamSource(stream).connect(meter);
    const measure = () => {
      if (track.readyState === "ended") {
        context.close();
        return inputs.classList.remove("lid-hearing");
      }
      meter.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const level = Math.min(1, Math.max(0, 1 + Math.log10(power + 1e-9) / 5));  // -50 dB is nothing, 0 dB is all
      inputs.style.setProperty("--level", level.toFixed(2));
      requestAnimationFrame(measure);
    };
    inputs.classList.add("lid-hearing");
    measure();
  };

  if (!navigator.mediaDevices) {  // an address that is not secure
    const none = { getUserMedia: () => Promise.reject(new Error("insecure")), enumerateDevices: async () => [] };
    Object.defineProperty(navigator, "mediaDevices", { value: { ...none, addEventListener() {}, removeEventListener() {} } });
  }
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = opened ?? await ask(wanted);
    opened = null;
    began = performance.now();
    follow(stream);
    return stream;
  };
  // Live mode's encoder is two workers, which Gradio starts when its tab is opened. It fails where it is to record before
  // both have answered.
  let answered = 0, ready;
  const encoder = new Promise((resolve) => { ready = resolve; });
  window.Worker = class extends Worker {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", () => { if (++answered === 2) ready(); }, { once: true });
    }
  };
  const open = async (button) => {
    const recorder = button.closest(RECORDERS.join()), device = recorder.querySelector("select.mic-select")?.value;
    try {
      opened = await ask({ audio: device ? { deviceId: device } : true });
    } catch (error) {
      return refuse(error);
    }
    if (recorder.id === "live") await Promise.race([encoder, new Promise((late) => setTimeout(late, PATIENCE))]);
    recorder.querySelector(".record-button")?.click();
  };

  const seen = (selector) => [...document.querySelectorAll(selector)].find((button) => button.getClientRects().length);
  const button = (kind) => seen(RECORDERS.map((recorder) => `${recorder} .${kind}`).join());

  // The button that takes the place of the one that was pressed takes its focus, too.
  document.addEventListener("click", (click) => {
    const pressed = click.target.closest?.(BUTTONS);
    if (!pressed?.closest(RECORDERS.join())) return;
    if (pressed.matches(".record-button") && !opened) {
      click.preventDefault();
      click.stopImmediatePropagation();
      return open(pressed);
    }
    // Gradio fails when it is to end a recording that has hardly begun.
    const wait = pressed.matches(".stop-button") ? SHORTEST - (performance.now() - began) : 0;
    if (wait > 0) {
      click.preventDefault();
      click.stopImmediatePropagation();
      return setTimeout(() => pressed.click(), wait);
    }
    if (pressed.matches(".record-button")) began = performance.now();
    const next = pressed.matches(".record-button") ? "stop-button" : "record-button";
    const hand = (tries) => {
      const other = button(next);
      if (other) return other.focus({ preventScroll: true });
      if (tries) setTimeout(hand, 50, tries - 1);
    };
    hand(60);
  }, true);
  document.addEventListener("keydown", (key) => {
    if (!key.altKey || key.ctrlKey || key.metaKey || key.code !== "KeyR") return;
    key.preventDefault();
    (button("stop-button") ?? button("record-button"))?.click();
  });
  document.addEventListener("click", (click) => {
    if (click.target.closest?.("[role=tab][aria-selected=false]")) button("stop-button")?.click();
  }, true);

  // Whatever else the visitor does ends live mode.
  const endLive = (event) => {
    const newer = "#answer [data-ask], .lid-examples button, [data-earlier], #upload input";
    if (event.target.closest?.(newer)) seen("#live .stop-button")?.click();
  };
  document.addEventListener("click", endLive);
  document.addEventListener("change", endLive);

  const name = () => {
    for (const list of document.querySelectorAll("select.mic-select")) {
      const { device } = window.lidLanguage();
      if (list.getAttribute("aria-label") !== device) list.setAttribute("aria-label", device);
    }
    const { record, stop } = window.lidLanguage();
    for (const button of document.querySelectorAll(BUTTONS)) {
      button.setAttribute("aria-keyshortcuts", "Alt+R");
      const label = button.lastChild, said = button.matches(".record-button") ? record : stop;
      if (label.data?.trim() && label.data.trim() !== said) label.data = ` ${said}`;
    }
  };
  new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });
})();
