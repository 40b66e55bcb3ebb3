// What the buttons inside the page's own HTML do. `data-press` presses one of Gradio's buttons, which are unseen;
// `data-ask` asks the server for a recording, [its key] or [its key, from, to], and lidAsked() is what was asked. Esc stops what is under way.
// lidLate() tells whether the visitor has done something newer since an upload began: then the upload counts no more.
(() => {
  let asked = null, actions = 0, upload = 0;
  window.lidAsked = () => asked;
  window.lidLate = () => actions !== upload;
  window.lidLanguage = () => window.lidWords[document.documentElement.lang.split("-")[0]] ?? window.lidWords.en;
  window.lidPress = (name) => (document.querySelector(`#${name} input[type=file]`) ?? document.getElementById(name))?.click();
  window.lidAsk = (recording) => {
    asked = recording;
    actions++;
    window.lidPress("ask");
  };
  const ACTIONS = ".lid-examples button, .record-button, [data-earlier], [data-press=stop]";

  document.addEventListener("click", (click) => {
    const button = click.target.closest?.("[data-press], [data-ask]");
    if (click.target.closest?.(ACTIONS)) actions++;
    if (button?.dataset.ask) window.lidAsk(JSON.parse(button.dataset.value));
    if (button?.dataset.press) window.lidPress(button.dataset.press);
  }, true);
  document.addEventListener("change", (change) => {
    if (change.target.matches?.("#upload input[type=file], #add input[type=file]")) upload = ++actions;
  }, true);
  document.addEventListener("keydown", (key) => {
    if (key.key !== "Escape" || document.querySelector("dialog[open]")) return;
    document.querySelector("#answer [data-press=stop]")?.click();
  });

  // On a phone the answer is below the button that was pressed: scroll it to the top, the pictures come under it.
  window.lidShowAnswer = (from = "answer") => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const block = window.innerWidth < 700 ? "start" : "nearest";
    document.getElementById(from).scrollIntoView({ behavior: calm ? "auto" : "smooth", block });
  };

  const nameTheTab = () => {
    const { title } = window.lidLanguage();
    if (document.title !== title) document.title = title;
  };
  new MutationObserver(nameTheTab).observe(document.head, { childList: true, characterData: true, subtree: true });
  new MutationObserver(nameTheTab).observe(document.documentElement, { attributeFilter: ["lang"] });
})();
