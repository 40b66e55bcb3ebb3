"""What web/ has in common with the package, as a JavaScript module: texts, names, colours and every constant by which
an answer is made. Nothing of it is written by hand there.

    python -m lid.release.web_data    # writes web/data.js anew; a test holds it to be up to date
"""

import csv
import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import plotly.colors

from lid import identify, languages, runtime, vad, verdict
from lid.audio import DEFAULT_LIMITS, SAMPLE_RATE, channels
from lid.features import FRAME_SAMPLES, HOP, TOP_HERTZ, mel_of_hertz
from lid.model.calibration import NO_SPEECH
from lid.ui import colours, plots, pooling, recording, settings, table, texts, wording
from lid.ui.texts import web

FILE = Path(__file__).parents[2] / "web" / "data.js"
RUNTIME = FILE.with_name("runtime.json")
# What Mediabunny takes apart and browsers decode; lid.audio reads more.
FORMATS_IN_WORDS = "WAV, FLAC, MP3, OGG/Opus, M4A/AAC, WebM, MP4 or MPEG-TS"
HEAD = "// Made by `python -m lid.release.web_data` from the package's own texts and constants. Change it there."


def data() -> dict[str, Any]:
    """All of it, by the name that each has in JavaScript."""
    return {
        "CODES": languages.CODES,
        "TEXTS": {code: _texts(code) for code in texts.ALL},
        "LANGUAGE_NAMES": _names(),
        "COLOURS": colours.LANGUAGES,
        "HEAT": getattr(plotly.colors.sequential, colours.HEAT),
        "GRAPH_FORMAT": runtime.FORMAT,
        "RUNTIME_VERSION": json.loads(RUNTIME.read_text())["onnxruntime-web"]["version"],
        "VOICE_SHA256": hashlib.sha256((runtime.GRAPHS / "silero_vad.onnx").read_bytes()).hexdigest(),
        "SIZES": _sizes(),
        "AUDIO": {"SAMPLE_RATE": SAMPLE_RATE, **asdict(DEFAULT_LIMITS)},
        "VOICE": _constants(vad),
        "WINDOWS": {
            **_constants(identify),
            "FRAME_SAMPLES": FRAME_SAMPLES,
            "NO_SPEECH": NO_SPEECH,
        },
        "VERDICT": _constants(verdict),
        "CHANNELS": _constants(channels),
        "PICTURES": {
            "HOP": HOP,
            "MAX_COLUMNS": pooling.MAX_COLUMNS,
            "MEL_PIECE_SECONDS": recording.MEL_PIECE_SECONDS,
            "MAX_ENTRIES": pooling.MAX_ENTRIES,
            "TIME_STEPS": plots.TIME_STEPS,
            "DB_PER_UNIT": plots.DB_PER_UNIT,
            "MEL_TICKS": [[hertz, float(mel_of_hertz(hertz) / mel_of_hertz(TOP_HERTZ))] for hertz in plots.MEL_TICKS],
        },
        "PAGE": {
            "SHORT_SPEECH": wording.SHORT_SPEECH,
            "MAX_FILES": settings.MAX_FILES,
            "LIVE_SECONDS": settings.LIVE_SECONDS,
            "LIVE_EVERY": settings.LIVE_EVERY,
            "CSV_HEADER": [column for column in table.HEADER if column not in table.SHARES],
            "CSV_FORMULA": table.FORMULA,
        },
    }


def as_javascript() -> str:
    """The text of web/data.js."""
    lines = (
        f"export const {name} = {json.dumps(value, ensure_ascii=False, indent=1)};" for name, value in data().items()
    )
    return "\n".join([HEAD, *lines, ""])


def _sizes() -> dict[int, str]:
    """Whisper's sizes by the encoder's width, as the page names them."""
    from lid.ui.page import SIZES

    return SIZES


def _texts(code: str) -> dict[str, Any]:
    """One language's texts, with what is known beforehand filled in."""
    words, more = texts.ALL[code], web.ALL[code]
    told = {**vars(words), "labels": vars(words.labels), **vars(more)}
    known = {
        "formats": FORMATS_IN_WORDS.replace(f" {texts.ENGLISH.either} ", f" {words.either} "),
        "minutes": wording.counted(words.minutes, int(DEFAULT_LIMITS.max_seconds / 60), words),
        "min_rate": DEFAULT_LIMITS.min_rate,
        "max_rate": DEFAULT_LIMITS.max_rate,
        "megabytes": f"{DEFAULT_LIMITS.max_bytes / 1e6:.0f}",
        "file": "{file}",
    }
    told["plural"] = [words.plural(count) for count in range(settings.MAX_FILES + 1)]
    told["problems"] = {
        reason: sentence.format(**known) for reason, sentence in {**words.problems, **more.problems}.items()
    }
    told["limits_note"] = more.limits_note.format(**known)
    return told


def _names() -> dict[str, dict[str, str]]:
    """Of every language that has a name: page language -> code -> name."""
    with languages.NAMES_FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {code: {row["code"]: row[code] for row in rows} for code in texts.ALL}


def _constants(module) -> dict[str, Any]:
    """The numbers and words that a module calls by capital letters."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int | float | str) and not isinstance(value, bool)
    }


def main() -> int:
    FILE.write_text(as_javascript(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
