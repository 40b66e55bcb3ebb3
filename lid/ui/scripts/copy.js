// Buttons with `data-copy` copy it.
(() => {
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
  document.addEventListener("click", (click) => {
    const button = click.target.closest?.("[data-copy]");
    if (button) copy(button);
  });
})();
