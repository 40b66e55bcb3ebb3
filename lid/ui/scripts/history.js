// The answers of this visit. They are kept in the page; the last one also in the tab's own storage, for a reload.
// lidHistory.keep(values) is called with what was shown, in the order of KEPT; lidHistory.restored() gives the values
// that Gradio shows again, for all that an answer fills in.
(() => {
  const KEPT = ["answer", "timeline", "evidence", "mel", "attention"];
  const MOST = 12;
  const STORED = "lid-last-answer";
  const UNCHANGED = { __type__: "update" };
  const kept = [];
  let wanted = null;

  const read = (html) => {
    const box = document.createElement("template");
    box.innerHTML = html;
    return box.content.querySelector(".lid-card");
  };
  const text = (card, part) => card.querySelector(part)?.textContent.trim().replace(/\s+/g, " ") ?? "";
  const isAnswer = (card) => card && !["waiting", "working", "listening", "problem"].includes(card.dataset.kind);

  // Gradio marks some pictures as updates; given back so, they would not be drawn.
  const plain = (value) => {
    if (!value || typeof value !== "object") return value;
    const { __type__, ...rest } = value;
    return rest;
  };

  const keep = (shown) => {
    const values = shown.map(plain);
    const card = read(values[0]);
    if (!isAnswer(card)) return;
    document.body.classList.remove("lid-restored", "lid-stored");
    const same = kept.findIndex((one) => one.name === text(card, ".lid-source") && one.said === text(card, ".lid-headline"));
    if (same >= 0) kept.splice(same, 1);
    kept.unshift({ values, name: text(card, ".lid-source"), said: text(card, ".lid-headline"), kind: card.dataset.kind,
      tone: card.getAttribute("style") ?? "" });
    kept.length = Math.min(kept.length, MOST);
    store(values);
    list();
  };
  const store = (values) => {
    try {
      sessionStorage.setItem(STORED, JSON.stringify(values));
    } catch {  // too large, or storage is forbidden: a reload then begins anew
      sessionStorage.removeItem(STORED);
    }
  };
  const last = () => {
    try {
      return JSON.parse(sessionStorage.getItem(STORED));
    } catch {
      return null;
    }
  };
  const restored = () => {
    const values = wanted ?? (kept.length ? null : last()), stored = !wanted;
    wanted = null;
    if (!values) return Array(8).fill(UNCHANGED);
    const [, timeline, evidence, mel, attention] = values;
    if (!kept.length) keep(values);
    // What the server no longer knows of cannot be asked for: see style.css.
    document.body.classList.add("lid-restored");
    if (stored) document.body.classList.add("lid-stored");
    const shown = [timeline || evidence, mel, attention].map((value) => ({ __type__: "update", visible: Boolean(value) }));
    return [...values, ...shown];
  };

  const element = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const list = () => {
    const place = document.querySelector("#earlier"), words = window.lidLanguage();
    if (!place) return;
    if (kept.length < 2) return place.replaceChildren();
    const rows = kept.slice(1).map((one, index) => element("li", {},
      element("button", { type: "button", class: "lid-link", "data-earlier": index + 1, style: one.tone },
        element("span", { class: "lid-dot" }), `${one.said}${one.name ? ` · ${one.name}` : ""}`),
      ...(one.kind === "files" || kept[0].kind === "files" ? [] : [element("button",
        { type: "button", class: "lid-button", "data-compare": index + 1 }, words.compare)])));
    place.replaceChildren(element("details", {}, element("summary", {}, `${words.earlier} (${rows.length})`),
      element("ul", {}, ...rows)));
  };
  const compare = (index) => {
    const cards = [kept[index], kept[0]].map((one) => {
      const card = read(one.values[0]);
      card.querySelectorAll("button, audio, .lid-save, script").forEach((part) => part.remove());
      return card;
    });
    const close = element("button", { type: "button", class: "lid-button" }, window.lidLanguage().close);
    const dialog = element("dialog", { class: "lid-compare", "aria-label": window.lidLanguage().compare },
      element("div", {}, ...cards), close);
    close.onclick = () => dialog.close();
    dialog.onclose = () => dialog.remove();
    document.querySelector(".gradio-container").append(dialog);
    dialog.showModal();
  };
  document.addEventListener("click", (click) => {
    const chosen = click.target.closest?.("[data-earlier]"), compared = click.target.closest?.("[data-compare]");
    if (compared) compare(Number(compared.dataset.compare));
    if (!chosen) return;
    const [one] = kept.splice(Number(chosen.dataset.earlier), 1);
    kept.unshift(one);
    wanted = one.values;
    store(wanted);
    list();
    window.lidPress("restore");
    window.lidShowAnswer();
  });
  window.lidHistory = { keep, restored, KEPT };
})();
