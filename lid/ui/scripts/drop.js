// A drop anywhere on the page is a drop into the box for files, and never takes the browser away from the page.
(() => {
  const carriesFiles = (drag) => [...drag.dataTransfer?.types ?? []].includes("Files");
  const show = (over) => {
    document.body.dataset.drop = window.lidLanguage().drop;
    document.body.classList.toggle("lid-dropping", over);
  };
  for (const event of ["dragenter", "dragover"]) {
    addEventListener(event, (drag) => {
      if (!carriesFiles(drag)) return;
      drag.preventDefault();
      show(true);
    }, true);
  }
  addEventListener("dragleave", (drag) => { if (!drag.relatedTarget) show(false); }, true);
  addEventListener("drop", (drop) => {
    if (!carriesFiles(drop)) return;
    drop.preventDefault();
    drop.stopPropagation();
    show(false);
    const input = document.querySelector("#upload input[type=file]");
    if (!input || !drop.dataTransfer.files.length) return;
    input.files = drop.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, true);
})();
