// Gradio's English messages, in the page's language.
// Gradio (checked in 6.31) writes its notes in the corner (`.toast-item`) and its state of the queue (`.meta-text`,
// `.meta-text-center`: "queue: 1/2", "processing | 3.1s") in English only. What the answer's card says needs no note. The
// state is written into text nodes that Gradio goes on writing to, so their text is replaced and not the nodes.
// Check at an upgrade: these classes and texts, "currently busy", and "exceed the maximum allowed size".
(() => {
  const translateNotes = (words) => {
    for (const note of document.querySelectorAll(".toast-message-text:not([data-seen])")) {
      note.dataset.seen = "";
      const box = note.closest(".toast-item"), text = note.textContent.trim();
      if (!text || text.includes("currently busy")) box.style.display = "none";
      if (!text.includes("exceed the maximum allowed size")) continue;
      note.textContent = words.too_large;
      box.querySelector(".toast-title").textContent = words.failed;
    }
  };
  const translateStatus = (words) => {
    for (const status of document.querySelectorAll(".meta-text, .meta-text-center")) {
      for (const node of status.childNodes) {
        const [english, translated] = Object.entries(words.status).find(([text]) => node.data?.includes(text)) ?? [];
        if (english !== translated) node.data = node.data.replace(english, translated);
      }
    }
  };
  new MutationObserver(() => {
    const words = window.lidWords[document.documentElement.lang.split("-")[0]] ?? window.lidWords.en;
    translateNotes(words);
    translateStatus(words);
  }).observe(document.documentElement, { childList: true, characterData: true, subtree: true });
})();
