"""Several recordings at once: a table on the page, and its CSV."""

import csv
import io
import json
from dataclasses import dataclass
from html import escape

from lid.identify import Prediction
from lid.languages import CODES
from lid.ui import segments, wording
from lid.ui.exports import download
from lid.ui.texts import Texts
from lid.verdict import SEVERAL, decide

HEADER = ["file", "language", *CODES, "known", "duration_seconds", "speech_seconds", "error"]
HEADER += ["verdict", "languages", "damaged", "sounds_like", "sounds_like_probability"]
SHARES = [f"speech_share_{code}" for code in CODES]
HEADER += SHARES
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that starts so for a formula


@dataclass(frozen=True)
class Row:
    """One recording: its name, and its prediction or the sentence why there is none. Without both it is not done yet.
    `key` is what the page calls it, to ask for its own answer."""

    name: str
    prediction: Prediction | None = None
    damaged: bool = False  # part of the file could not be read
    error: str = ""
    key: str = ""


def as_html(rows: list[Row], texts: Texts) -> str:
    """A card in place of the answer; a click on a name opens that recording's own. The link carries the CSV itself, so
    the server keeps no file."""
    heads = "".join(f"<th scope='col'>{escape(head)}</th>" for head in texts.columns)
    body = "".join(_row(row, texts) for row in rows)
    finished = all(row.prediction or row.error for row in rows)
    done = download(texts.download, "languages.csv", as_csv(rows), "text/csv") + wording.add(texts)
    headline = escape(wording.counted(texts.files, len(rows), texts))
    return (
        f"<section class='lid-card lid-files' data-kind='{'files' if finished else 'working'}'>"
        f"<p class='lid-headline'><span>{headline}</span></p>"
        f"<div class='lid-scroll' tabindex='0' role='region' aria-label='{escape(texts.files_heading)}'>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{done if finished else wording.stop(texts)}</section>"
    )


def as_csv(rows: list[Row]) -> str:
    """Text with a byte order mark: without it, Excel does not read UTF-8 as UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for row in rows:
        name = f"'{row.name}" if row.name.startswith(FORMULA) else row.name
        if row.prediction is None:
            writer.writerow([name, *(row.error if column == "error" else "" for column in HEADER[1:])])
            continue
        told = row.prediction.to_dict(row.damaged)
        several = told["verdict"] == SEVERAL  # then one language and its probability would mean nothing
        language = " ".join(told["languages"]) if several else told["language"] or ""
        shares = ["" if several else told["probabilities"][code] for code in CODES]
        parts = [round(part, 4) for part in segments.shares(segments.find(row.prediction)).values()]
        known = "" if told["known"] is None else str(told["known"]).lower()
        lengths = [told["duration_seconds"], told["speech_seconds"]]
        decided = [told["verdict"], " ".join(told["languages"]), str(told["damaged"]).lower()]
        other = list((told["sounds_like"] or {"language": "", "probability": ""}).values())
        writer.writerow([name, language, *shares, known, *lengths, "", *decided, *other, *parts])
    return "\ufeff" + out.getvalue()


def _row(row: Row, texts: Texts) -> str:
    name = f"<th scope='row'>{escape(row.name)}</th>"
    if row.prediction:
        asks = f"data-ask='open' data-value='{escape(json.dumps([row.key]))}'"
        name = f"<th scope='row'><button type='button' class='lid-link' {asks}>{escape(row.name)}</button></th>"
    if row.error:
        return f"<tr>{name}<td colspan='4'>{escape(row.error)}</td></tr>"
    if row.prediction is None:
        return f"<tr>{name}<td colspan='4'>…</td></tr>"
    headline, share = wording.verdict(row.prediction, texts, row.damaged)
    other = wording.sounds_like(decide(row.prediction, row.damaged), texts)
    asides = [other, texts.unreadable_part if row.damaged and row.prediction.language else ""]
    notes = "".join(wording.note(aside) for aside in asides if aside)
    dot = wording.dot(row.prediction.language) if share and row.prediction.language else ""
    speech, duration = (
        wording.length(value, texts) for value in (row.prediction.speech_seconds, row.prediction.duration_seconds)
    )
    cells = [f"{dot}{escape(headline)}{notes}", escape(share), speech, duration]
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
