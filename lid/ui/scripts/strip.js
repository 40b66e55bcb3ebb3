// The timeline as a control: click or arrow keys seek, a drag (or Shift with the arrow keys) chooses a part, and the
// buttons zoom. Its HTML is made by strip.py; times are seconds of the file.
(() => {
  const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];  // s between ticks
  const ROOM = 64;  // px for a tick's text
  const MOST_ZOOM = 32;
  const DRAG = 6;  // px
  const strip = () => document.querySelector("#timeline .lid-strip");
  const scaleOf = (it) => it.querySelector(".lid-strip-scale");
  const span = (it) => [Number(it.dataset.start), Number(it.dataset.end)];
  const clock = (seconds) => {
    const whole = Math.floor(seconds), two = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };
  const placeOf = (it, time) => { const [start, end] = span(it); return 100 * (time - start) / (end - start); };

  const tick = (it) => {
    const scale = scaleOf(it), [start, end] = span(it);
    const most = Math.max(2, scale.clientWidth / ROOM);
    const step = STEPS.find((candidate) => (end - start) / candidate <= most) ?? STEPS.at(-1);
    const ticks = [];
    for (let at = Math.ceil(start / step) * step; at <= end; at += step) {
      const mark = document.createElement("span");
      mark.style.left = `${placeOf(it, at)}%`;
      mark.textContent = step < 1 ? at.toFixed(1) : clock(at);
      ticks.push(mark);
    }
    scale.querySelector(".lid-ticks").replaceChildren(...ticks);
  };
  const made = (it, name) => {
    const scale = scaleOf(it);
    let part = scale.querySelector(`.${name}`);
    if (!part) {
      part = document.createElement("div");
      part.className = name;
      scale.append(part);
    }
    return part;
  };
  const moved = (time) => {
    const it = strip();
    if (!it) return;
    const [start, end] = span(it), head = made(it, "lid-playhead"), scale = scaleOf(it);
    head.style.display = time > 0 && time >= start && time <= end ? "block" : "none";
    head.style.left = `${placeOf(it, time)}%`;
    scale.setAttribute("aria-valuenow", Math.round(time));
    scale.setAttribute("aria-valuetext", clock(time));
  };
  const choose = (it, from, to) => {
    const [start, end] = span(it), part = [Math.max(start, Math.min(from, to)), Math.min(end, Math.max(from, to))];
    const box = made(it, "lid-chosen"), button = it.querySelector(".lid-part");
    box.style.left = `${placeOf(it, part[0])}%`;
    box.style.width = `${placeOf(it, part[1]) - placeOf(it, part[0])}%`;
    button.textContent = it.dataset.part.replace("{start}", clock(part[0])).replace("{end}", clock(part[1]));
    button.hidden = part[1] - part[0] < 1;
    button.onclick = () => window.lidAsk([it.dataset.key, ...part]);
  };
  const zoom = (it, factor) => {
    const view = it.querySelector(".lid-strip-view"), scale = scaleOf(it);
    const now = Number(it.dataset.zoom ?? 1), next = Math.min(MOST_ZOOM, Math.max(1, now * factor));
    const middle = (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth;
    it.dataset.zoom = next;
    scale.style.width = `${100 * next}%`;
    tick(it);
    view.scrollLeft = middle * view.scrollWidth - view.clientWidth / 2;
  };

  let drag = null;
  const timeAt = (it, x) => {
    const box = scaleOf(it).getBoundingClientRect(), [start, end] = span(it);
    return start + Math.min(1, Math.max(0, (x - box.left) / box.width)) * (end - start);
  };
  document.addEventListener("pointerdown", (down) => {
    const it = down.target.closest?.(".lid-strip"), scale = down.target.closest?.(".lid-strip-scale");
    if (scale && !down.button) drag = { it, x: down.clientX, chooses: false };
  });
  document.addEventListener("pointermove", (move) => {
    if (!drag || !drag.it.dataset.part) return;
    drag.chooses ||= Math.abs(move.clientX - drag.x) > DRAG;
    if (drag.chooses) choose(drag.it, timeAt(drag.it, drag.x), timeAt(drag.it, move.clientX));
  });
  document.addEventListener("pointerup", (up) => {
    if (drag && !drag.chooses && Math.abs(up.clientX - drag.x) <= DRAG) window.lidSeek(timeAt(drag.it, up.clientX));
    drag = null;
  });
  document.addEventListener("pointercancel", () => { drag = null; });

  let anchor = null;
  document.addEventListener("keydown", (key) => {
    const scale = key.target.closest?.(".lid-strip-scale"), it = scale?.closest(".lid-strip"), sound = window.lidPlayer();
    if (!it || !sound) return;
    const [start, end] = span(it), now = Math.max(start, sound.currentTime), step = Math.max(1, (end - start) / 100);
    const to = { ArrowLeft: now - step, ArrowRight: now + step, PageUp: now - 10 * step, PageDown: now + 10 * step,
      Home: start, End: end }[key.key];
    if (to !== undefined) {
      key.preventDefault();
      window.lidSeek(Math.min(end, Math.max(start, to)), false);
      anchor = key.shiftKey ? anchor ?? now : null;
      if (key.shiftKey && it.dataset.part) choose(it, anchor, Math.min(end, Math.max(start, to)));
    }
    if (key.key === "Enter" || key.key === " ") {
      key.preventDefault();
      if (sound.paused) sound.play().catch(() => {}); else sound.pause();
    }
  });
  document.addEventListener("click", (click) => {
    const button = click.target.closest?.("[data-zoom]:is(button)");
    if (button) zoom(button.closest(".lid-strip"), Number(button.dataset.zoom));
  });

  const redraw = () => { const it = strip(); if (it && scaleOf(it).clientWidth) tick(it); };
  new MutationObserver((changes) => {
    const it = strip();
    if (it && !it.querySelector(".lid-ticks span")) redraw();
  }).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["class", "style", "hidden"] });
  addEventListener("resize", redraw);
  window.lidStrip = { moved };
})();
