// The answer and its pictures as one HTML file, which needs no network and no script.
(() => {
  const LEFT_OUT = "button:not(.lid-link), audio, select, script, .lid-save, .lid-playhead, .lid-chosen, .modebar";
  const COLOURS = ["--body-text-color", "--body-text-color-subdued", "--border-color-primary", "--block-background-fill"];
  const styles = () => {
    const ours = [...document.styleSheets].flatMap((sheet) => {
      try {
        return [...sheet.cssRules];
      } catch {
        return [];
      }
    }).filter((rule) => rule.selectorText?.includes(".lid-")).map((rule) => rule.cssText);
    const computed = getComputedStyle(document.querySelector(".gradio-container"));
    const colours = COLOURS.map((name) => `${name}: ${computed.getPropertyValue(name)}`).join("; ");
    const page = getComputedStyle(document.body).backgroundColor;
    return `:root { ${colours} } body { font: 16px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 32px auto;
      padding: 0 16px; color: var(--body-text-color); background: ${page} } .main-svg { position: absolute; top: 0; left: 0 }
      p { margin: 8px 0 } ${ours.join("\n")}`;
  };
  const copyOf = (selector) => {
    const shown = document.querySelector(selector);
    if (!shown?.getClientRects().length) return "";
    const copy = shown.cloneNode(true);
    copy.querySelectorAll(LEFT_OUT).forEach((part) => part.remove());
    return copy.innerHTML;
  };
  const plot = (name) => {
    const drawn = document.querySelector(`#${name} .svg-container`);
    if (!drawn?.getClientRects().length) return "";
    const heading = document.querySelector(`#${name}`).closest(".lid-picture, .row")?.querySelector(".lid-section")?.outerHTML;
    const copy = drawn.cloneNode(true);
    copy.querySelectorAll(LEFT_OUT).forEach((part) => part.remove());
    return `${heading ?? ""}<div style="position:relative;width:${drawn.clientWidth}px;height:${drawn.clientHeight}px">`
      + `${copy.innerHTML}</div>`;
  };
  const save = () => {
    const name = document.querySelector("#answer .lid-source")?.textContent ?? "";
    const title = [window.lidLanguage().title, name].filter(Boolean).join(" – ");
    // Plotly names its clip paths by the page's whole address.
    const body = [copyOf("#answer"), copyOf("#timeline"), ...["evidence", "mel", "attention"].map(plot)].join("\n")
      .replaceAll(location.href.split("#")[0], "").replaceAll(document.baseURI, "");
    const heading = document.createElement("title");
    heading.textContent = title;
    const html = `<!doctype html><html lang="${document.documentElement.lang}"><meta charset="utf-8">`
      + `<meta name="viewport" content="width=device-width">${heading.outerHTML}<style>${styles()}</style>`
      + `<body class="${document.body.classList.contains("dark") ? "dark" : ""}">${body}</body></html>`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([html], { type: "text/html" }));
    link.download = `${name.replace(/\.[^.]*$/, "") || "languages"}.html`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  document.addEventListener("click", (click) => { if (click.target.closest?.("[data-report]")) save(); });
})();
