// Several recordings: a table on the page, and its CSV. lid/ui/table.py.
import { CODES, PAGE } from "./data.js";
import { dot } from "./answer.js";
import { element } from "./dom.js";
import { counted, seconds } from "./texts.js";
import { asJson } from "./verdict.js";
import { explained, inWords, soundsLike } from "./wording.js";

// `rows`: {name} with {prediction, damaged}, with {problem}, or with neither while it is not done.
export function table(rows, texts) {
  const finished = rows.every((row) => row.prediction || row.problem);
  const heads = texts.columns.map((head) => element("th", { scope: "col" }, head));
  const body = rows.map((row) => line(row, texts));
  const link = () =>
    element(
      "a",
      {
        class: "lid-download",
        download: "languages.csv",
        href: URL.createObjectURL(new Blob([csv(rows, texts)], { type: "text/csv" })),
      },
      texts.download,
    );
  return element(
    "section",
    { class: "lid-card lid-files", "data-kind": finished ? "files" : "working" },
    element("p", { class: "lid-headline" }, element("span", {}, counted(texts.files, rows.length, texts))),
    element(
      "div",
      { class: "lid-scroll", tabindex: 0, role: "region", "aria-label": texts.files_heading },
      element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, body)),
    ),
    finished ? link() : null,
  );
}

function line({ name, prediction, damaged, problem }, texts) {
  const head = element("th", { scope: "row" }, name);
  if (!prediction)
    return element("tr", {}, head, element("td", { colspan: 4 }, problem ? explained(problem, texts) : "…"));
  const { headline, share } = inWords(prediction, damaged, texts);
  const asides = [soundsLike(prediction, damaged, texts), damaged && prediction.language ? texts.unreadable_part : ""];
  const cells = [
    [
      share && prediction.language ? dot(prediction.language) : "",
      headline,
      ...asides.filter(Boolean).map((aside) => element("p", { class: "lid-fine" }, aside)),
    ],
    [share],
    [seconds(prediction.speech, texts)],
    [seconds(prediction.duration, texts)],
  ];
  return element(
    "tr",
    {},
    head,
    cells.map((cell) => element("td", {}, ...cell)),
  );
}

// With a byte order mark: without it, Excel does not read UTF-8 as UTF-8.
export function csv(rows, texts) {
  const lines = [PAGE.CSV_HEADER, ...rows.map((row) => values(row, texts))];
  return `\ufeff${lines.map((line) => `${line.map(quoted).join(",")}\r\n`).join("")}`;
}

function values({ name, prediction, damaged, problem }, texts) {
  const safe = PAGE.CSV_FORMULA.some((start) => name.startsWith(start)) ? `'${name}` : name;
  const told = { file: safe, error: problem ? explained(problem, texts) : "" };
  if (prediction) {
    const json = asJson(prediction, damaged);
    const several = json.verdict === "several"; // then one language and its probability would mean nothing
    Object.assign(told, json, {
      ...Object.fromEntries(CODES.map((code) => [code, several ? "" : json.probabilities[code]])),
      ...(several ? { language: json.languages.join(" ") } : {}),
      languages: json.languages.join(" "),
      sounds_like: json.sounds_like?.language,
      sounds_like_probability: json.sounds_like?.probability,
    });
  }
  return PAGE.CSV_HEADER.map((column) => told[column] ?? "");
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
