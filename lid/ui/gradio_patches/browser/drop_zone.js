// The accessible name of the drop zone.
// Gradio (checked in 6.31) names its drop zone by an English aria-label, not by the text in it. Once there are files, it
// puts that button inside another button that has no name. Speech input and screen readers need one button, with the name
// that is seen. Check at an upgrade: `button.upload-container`, `block-label`, and the aria-label.
(() => {
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
  new MutationObserver(nameTheZone).observe(document.documentElement, { childList: true, subtree: true });
})();
