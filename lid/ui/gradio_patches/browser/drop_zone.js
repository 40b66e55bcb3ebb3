// The text and the accessible name of the box for files.
// Gradio (checked in 6.31) writes "Drop File Here - or - Click to Upload" into it, in its own translation or in English, also
// where nothing can be dropped, and gives it an English aria-label. Its text is hidden by style.css, which shows
// `data-label` in its place. Check at an upgrade: `button.upload-container` and the aria-label.
(() => {
  const touch = matchMedia("(hover: none), (max-width: 640px)");
  const nameTheZone = () => {
    const zone = document.querySelector("#upload button.upload-container"), words = window.lidLanguage();
    const label = touch.matches ? words.upload_phone : words.upload;
    if (!zone || zone.dataset.label === label) return;
    zone.dataset.label = label;
    zone.setAttribute("aria-label", label);
  };
  new MutationObserver(nameTheZone).observe(document.documentElement, { childList: true, subtree: true });
  touch.addEventListener("change", nameTheZone);
})();
