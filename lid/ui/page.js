// What the page does in the browser by itself: it copies a result's numbers, and ties the player to the pictures' time
// axes. What reads or corrects Gradio's own page is in gradio_patches/browser.
(() => {
  const PICTURES = ["timeline", "evidence", "mel"];

  const copy = async (button) => {
    const area = document.createElement("textarea");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {  // no permission, or not a secure page
      area.value = button.dataset.copy;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const label = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = label; }, 2000);
  };

  const player = () => document.querySelector("#answer audio");
  const plotIn = (name) => document.querySelector(`#${name} .js-plotly-plot`);

  const movePlayhead = () => {
    const time = player()?.currentTime ?? 0;
    for (const name of PICTURES) {
      const plot = plotIn(name), axis = window.lidPlotAxis(plot);
      if (!axis) continue;
      let head = plot.querySelector(":scope > .lid-playhead");
      if (!head) {
        head = document.createElement("div");
        head.className = "lid-playhead";
        head.setAttribute("aria-hidden", "true");
        plot.style.position = "relative";
        plot.append(head);
      }
      head.style.display = time > 0 ? "block" : "none";
      head.style.top = `${axis.top}px`;
      head.style.height = `${axis.height}px`;
      head.style.left = `${axis.left + axis.width * Math.min(1, time / axis.seconds)}px`;
    }
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

  document.addEventListener("click", (click) => {
    const button = click.target.closest?.("[data-copy]");
    if (button) copy(button);
    const sound = player(), plot = click.target.closest?.(PICTURES.map((name) => `#${name} .js-plotly-plot`).join());
    const axis = sound && plot && window.lidPlotAxis(plot);
    if (!axis) return;
    const share = (click.clientX - plot.getBoundingClientRect().left - axis.left) / axis.width;
    if (share < 0 || share > 1) return;
    sound.currentTime = share * axis.seconds;
    sound.play().catch(() => {});
  });
})();
