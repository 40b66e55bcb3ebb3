// What the page does by itself in the browser: copy a result's numbers, tie the player to the pictures' time axes, and
// put right what Gradio says badly.
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
    const said = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = said; }, 2000);
  };

  // Why a call failed. A full queue answers 503; a server about to end sends a sentence with the answers.
  let failure = "broken";
  const send = window.fetch;
  window.fetch = async (...asked) => {
    const reply = await send(...asked), address = String(asked[0]?.url ?? asked[0]);
    if (address.includes("/queue/join")) failure = reply.status === 503 ? "busy" : "broken";
    if (address.includes("/queue/data")) lookForTheEnd(reply.clone());
    return reply;
  };
  const lookForTheEnd = async (reply) => {
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        if (piece.value.includes(window.lidWords.en.restarting)) failure = "restarting";
      }
    } catch {}  // the connection is gone; whoever waits for the answers is told
  };
  window.lidFailure = () => failure;

  const player = () => document.querySelector("#answer audio");
  const plotIn = (name) => document.querySelector(`#${name} .js-plotly-plot`);

  // The plot's own axis, in pixels of its box: {left, width, top, height, seconds}.
  const axisOf = (plot) => {
    const layout = plot?._fullLayout;
    if (!layout?.xaxis) return null;
    const { _offset: left, _length: width, range } = layout.xaxis;
    return { left, width, top: layout.yaxis._offset, height: layout.yaxis._length, seconds: range[1] };
  };

  const move = () => {
    const time = player()?.currentTime ?? 0;
    for (const name of PICTURES) {
      const plot = plotIn(name), axis = axisOf(plot);
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
    move();
    const sounding = player();
    frame = sounding && !sounding.paused ? requestAnimationFrame(follow) : 0;
  };
  for (const event of ["play", "seeked", "timeupdate", "loadedmetadata"]) {
    document.addEventListener(event, (said) => {
      if (said.target === player() && !frame) follow();
    }, true);  // media events do not bubble
  }

  // Gradio names its drop zone other than what is written in it, and once there are files puts it as a button with an
  // English name into another without one. Speech input and screen readers need one button with the name that is seen.
  const nameTheZone = () => {
    const zone = document.querySelector("#upload button.upload-container");
    const around = zone?.parentElement.closest("button");
    if (!zone) return;
    if (!around) return zone.removeAttribute("aria-label");
    const label = document.querySelector("#upload [data-testid=block-label]").textContent.trim();
    zone.setAttribute("aria-label", label);
    around.setAttribute("aria-label", label);
    around.setAttribute("role", "group");
    around.removeAttribute("aria-haspopup");
    around.title = label;
    around.tabIndex = -1;
  };

  // Gradio's notes in the corner are in English alone. What the answer's card says needs no note.
  const translateNotes = (words) => {
    for (const note of document.querySelectorAll(".toast-message-text:not([data-seen])")) {
      note.dataset.seen = "";
      const box = note.closest(".toast-item"), said = note.textContent.trim();
      if (!said || said.includes("currently busy")) box.style.display = "none";
      if (!said.includes("exceed the maximum allowed size")) continue;
      note.textContent = words.too_large;
      box.querySelector(".toast-title").textContent = words.failed;
    }
  };

  // So is what it says of the queue, in text nodes that it goes on writing to.
  const translateStatus = (words) => {
    for (const status of document.querySelectorAll(".meta-text, .meta-text-center")) {
      for (const node of status.childNodes) {
        const [english, translated] = Object.entries(words.status).find(([said]) => node.data?.includes(said)) ?? [];
        if (english !== translated) node.data = node.data.replace(english, translated);
      }
    }
  };

  new MutationObserver(() => {
    const words = window.lidWords[document.documentElement.lang.split("-")[0]] ?? window.lidWords.en;
    nameTheZone();
    translateNotes(words);
    translateStatus(words);
  }).observe(document.documentElement, { childList: true, characterData: true, subtree: true });

  document.addEventListener("click", (click) => {
    const button = click.target.closest?.("[data-copy]");
    if (button) copy(button);
    const sounding = player(), plot = click.target.closest?.(PICTURES.map((name) => `#${name} .js-plotly-plot`).join());
    const axis = sounding && plot && axisOf(plot);
    if (!axis) return;
    const share = (click.clientX - plot.getBoundingClientRect().left - axis.left) / axis.width;
    if (share < 0 || share > 1) return;
    sounding.currentTime = share * axis.seconds;
    sounding.play().catch(() => {});
  });
})();
