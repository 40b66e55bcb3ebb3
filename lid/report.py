"""A finished run -> model card and REPORT.md. Every number is read from the files the run wrote.

python -m lid.report runs/base     # puts its checkpoint into assets/model and writes REPORT.md
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from lid import card
from lid.errors import InputError
from lid.languages import CODES, NAMES

ROOT = Path(__file__).parent.parent
TEMPLATES = Path(__file__).parent / "templates"
PARTS = ("train", "validation", "test")


def load(run: Path) -> tuple[dict, dict]:
    """`metrics.json` and `split_audit.json` of a run's folder. Raises InputError where it is not finished."""
    try:
        return tuple(json.loads((run / name).read_text()) for name in ("metrics.json", "split_audit.json"))
    except OSError as error:
        raise InputError(f"{run} holds no finished run: {error.filename} is missing.", "run") from error


def fill(template: str, metrics: dict, audit: dict, statement: str) -> str:
    """A template of lid/templates ("card", "report") with this run's settings, numbers and tables."""
    test = metrics["test"]
    values = {
        **metrics["settings"],
        **{name: value for name, value in test.items() if not isinstance(value, dict | list)},
        "accuracy": _share(test),
        "temperature": metrics["calibration"]["temperature"],
        "metadata": card.metadata(metrics),
        "statement": statement,
        "dropped_table": _dropped_table(audit),
        "split_table": _split_table(audit),
        "proof": _proof(audit),
        "shortcut_table": _shortcut_table(metrics["shortcuts"]),
        "history_table": _history_table(metrics["history"]),
        "recall_table": _recall_table(test),
        "confusion_table": _confusion_table(test),
        "length_table": _length_table(test),
        "channel_table": _channel_table(metrics["channels"]),
    }
    return (TEMPLATES / f"{template}.md").read_text().format(**values)


def install(run: Path, statement: Path, root: Path = ROOT) -> None:
    """Make a finished run the repository's own: assets/model with its card, and REPORT.md."""
    metrics, audit = load(run)
    text = statement.read_text().strip()
    model = root / "assets" / "model"
    model.mkdir(parents=True, exist_ok=True)
    for file in sorted((run / "merged").iterdir()):
        shutil.copyfile(file, model / file.name)
    for name in ("metrics.json", "split.tsv"):
        shutil.copyfile(run / name, model / name)
    (model / "README.md").write_text(fill("card", metrics, audit, text))
    (root / "REPORT.md").write_text(fill("report", metrics, audit, text))


def _share(rate: dict) -> str:
    if rate["accuracy"] is None:
        return "—"
    low, high = rate["accuracy_95"]
    return f"{rate['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _table(head: list[str], rows: list[list]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)


def _recall_table(test: dict) -> str:
    rows = [[NAMES[code], test["recall"][code]["clips"], _share(test["recall"][code])] for code in CODES]
    return _table(["language", "clips", "recall (95 % interval)"], rows)


def _confusion_table(test: dict) -> str:
    rows = [[NAMES[code], *(test["confusion"][code][other] for other in CODES)] for code in CODES]
    return _table(["spoken \\ named", *(NAMES[code] for code in CODES)], rows)


def _length_table(test: dict) -> str:
    rows = [[f"{span} s", rate["clips"], _share(rate)] for span, rate in test["by_speech_seconds"].items()]
    return _table(["speech in the clip", "clips", "accuracy (95 % interval)"], rows)


def _channel_table(channels: dict) -> str:
    rows = [[name, _share(rate), *(f"{rate['recall'][code]:.1%}" for code in CODES)] for name, rate in channels.items()]
    return _table(["channel", "accuracy (95 % interval)", *(f"{NAMES[code]} recall" for code in CODES)], rows)


def _shortcut_table(shortcuts: dict) -> str:
    names = {"as_recorded": "clips as recorded", "as_trained": "what the trainer sees"}
    rows = [[names[key], rate["clips"], _share(rate), f"{rate['chance']:.1%}"] for key, rate in shortcuts.items()]
    return _table(["", "clips", "accuracy (95 % interval)", "chance"], rows)


def _history_table(history: list[dict]) -> str:
    names = list(history[0])
    return _table(names, [[entry[name] for name in names] for entry in history])


def _split_table(audit: dict) -> str:
    rows = []
    for part in PARTS:
        counts = audit["counts"][part]
        rows += [
            [part, NAMES[code], counts[code]["clips"], counts[code]["speakers"]] for code in CODES if code in counts
        ]
    return _table(["part", "language", "clips", "speakers"], rows)


def _dropped_table(audit: dict) -> str:
    dropped = audit["dropped_for_quality"]
    reasons = sorted({reason for counts in dropped.values() for reason in counts})
    rows = [[reason.replace("_", " "), *(dropped.get(code, {}).get(reason, 0) for code in CODES)] for reason in reasons]
    return _table(["dropped because", *(NAMES[code] for code in CODES)], rows)


def _proof(audit: dict) -> str:
    shown = {name: value for name, value in audit.items() if name not in ("counts", "dropped_for_quality")}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lid.report", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the --output folder of a finished train_lora.py")
    parser.add_argument(
        "--statement", type=Path, default=ROOT / "docs" / "DATA.md", help="what it was trained on, in prose"
    )
    options = parser.parse_args(arguments)
    try:
        install(options.run, options.statement)
    except InputError as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
