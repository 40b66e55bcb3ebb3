// The player of the answer: the pictures' playhead, a click in a picture, and what is said when its file is gone.
// lidSeek(seconds) plays from there; lidPlayer() is the player.
(() => {
  const PICTURES = ["evidence", "mel"];
  const player = () => document.querySelector("#answer audio");
  const plotIn = (name) => document.querySelector(`#${name} .js-plotly-plot`);
  window.lidPlayer = player;
  window.lidSeek = (seconds, play = true) => {
    const sound = player();
    if (!sound) return;
    sound.currentTime = seconds;
    if (play) sound.play().catch(() => {});
  };

  const headIn = (box) => {
    let head = box.querySelector(":scope > .lid-playhead");
    if (!head) {
      head = document.createElement("div");
      head.className = "lid-playhead";
      head.setAttribute("aria-hidden", "true");
      box.style.position = "relative";
      box.append(head);
    }
    return head;
  };
  const movePlayhead = () => {
    const time = player()?.currentTime ?? 0;
    for (const name of PICTURES) {
      const plot = plotIn(name), axis = window.lidPlotAxis(plot);
      if (!axis) continue;
      const head = headIn(plot), share = (time - axis.start) / (axis.end - axis.start);
      head.style.display = time > 0 && share >= 0 && share <= 1 ? "block" : "none";
      head.style.top = `${axis.top}px`;
      head.style.height = `${axis.height}px`;
      head.style.left = `${axis.left + axis.width * share}px`;
    }
    window.lidStrip?.moved(time);
  };

  let frame = 0;
  const follow = () => {
    movePlayhead();
    const playing = player();
    frame = playing && !playing.paused ? requestAnimationFrame(follow) : 0;
  };
  for (const event of ["play", "seeked", "timeupdate", "loadedmetadata"]) {
    document.addEventListener(event, (happened) => {
      if (happened.target === player() && !frame) follow();
    }, true);  // media events do not bubble
  }

  // A player that cannot play goes: its file is deleted, which is said, or the browser does not know the format.
  document.addEventListener("error", async (failed) => {
    const sound = failed.target;
    if (!sound.matches?.("audio[data-gone]")) return;
    const there = await fetch(sound.src, { method: "HEAD" }).then((reply) => reply.ok, () => true);
    if (there) return sound.remove();
    const said = document.createElement("p");
    said.className = "lid-note lid-gone";
    said.textContent = sound.dataset.gone;
    sound.replaceWith(said);
  }, true);

  document.addEventListener("click", (click) => {
    const row = click.target.closest?.("[data-seek]");
    if (row) return window.lidSeek(Number(row.dataset.seek));
    const plot = click.target.closest?.(PICTURES.map((name) => `#${name} .js-plotly-plot`).join());
    const axis = player() && plot && window.lidPlotAxis(plot);
    if (!axis) return;
    const share = (click.clientX - plot.getBoundingClientRect().left - axis.left) / axis.width;
    if (share >= 0 && share <= 1) window.lidSeek(axis.start + share * (axis.end - axis.start));
  });
})();
