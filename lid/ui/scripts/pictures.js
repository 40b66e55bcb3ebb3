// What a screen reader says of the pictures: their heading, and how to read them. The numbers of the timeline are in the
// list under it, those of the answer in its bars.
(() => {
  const PICTURES = ["evidence", "mel", "attention"];
  const name = () => {
    for (const picture of PICTURES) {
      const plot = document.querySelector(`#${picture} .js-plotly-plot`);
      if (!plot || plot.hasAttribute("role")) continue;
      const around = plot.closest(".lid-picture, .row");
      const said = [around?.querySelector("h2"), around?.querySelector(":scope .lid-fine")];
      plot.setAttribute("role", "img");
      plot.setAttribute("aria-label", said.map((part) => part?.textContent.trim()).filter(Boolean).join(". "));
    }
  };
  new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });
})();
