"""A finished run -> model card and REPORT.md. Every number is read from the files the run wrote.

lid report runs/base    # in a checkout: puts the run's checkpoint into assets/model and writes REPORT.md
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np

from lid.data.clip import PARTS
from lid.errors import InputError
from lid.evaluation import MAP
from lid.languages import CODES, NAMES, name_of
from lid.model.open_set import KEPT
from lid.release import card, figures, medium
from lid.verdict import SAID

ROOT = Path()  # the repository to read and to write: the current folder, wherever this package is installed
TEMPLATES = Path(__file__).parent / "templates"
FIGURES = "assets/figures"
PICTURES = {  # file of lid.release.figures -> what it shows, and how to read it
    "reliability.svg": (
        "How often an answer is right, against how sure it is",
        "On the grey line, answers are right as often as they say; below it, the model is too sure.",
    ),
    "verdicts.svg": (
        "Confusion matrix: what was spoken, and what was answered",
        "Each row is what was spoken, each column an answer; the shade is the share of the row. Right answers are on "
        'the diagonal, and in the last row under "none of the three".',
    ),
    "seconds.svg": (
        "Accuracy against seconds of speech, for all clips and for each language",
        "Further to the right, the model hears more of each clip; bars are 95 % intervals over clips. Where there are "
        f"fewer than {figures.FEW} clips, no point is drawn.",
    ),
    "roc.svg": (
        "ROC curves of known_score, for each language beside the three",
        "The nearer a curve comes to the upper left corner, the better that language is kept apart; a dot is the "
        "threshold that is served. The axis at the bottom is stretched near 0.",
    ),
    "learning.svg": (
        "Learning curves: losses and validation accuracy against steps",
        "Each point is one validation of the running average of the weights; a line without points is the loss as it "
        "went.",
    ),
    "embeddings.png": (
        "Map of embeddings, coloured by language on the left and by recording condition on the right",
        "Each point is one clip that nothing was trained on, and near points are alike to the model. On the left, "
        "languages should lie apart; on the right, colours should mix within each of them: where they do not, the "
        "model also listens to how a clip was recorded.",
    ),
}


DISTANCE = (
    "a relative Mahalanobis distance: half the squared distance of a clip's embedding from the background languages "
    "as a whole, less half that from the nearest of the three, as training clips lie once their pauses are cut"
)
SCORE_PARTS = {  # of `known_score`, where it is a sum; where it is not, it is the distance alone
    "rows": "the log-odds of the three languages against the head's rows of the background languages",
    "distance": DISTANCE,
    "regression": "the log-odds of the three languages against the background by a logistic regression on embeddings, "
    "of clips as recorded and through channels",
    "sounds": "whether a second head, which learnt from Whisper to tell its 99 languages apart, agrees",
}


def load(run: Path) -> tuple[dict, dict]:
    """`metrics.json` and `split_audit.json` of a run's folder. Raises InputError where it is not finished."""
    try:
        return tuple(json.loads((run / name).read_text()) for name in ("metrics.json", "split_audit.json"))
    except OSError as error:
        raise InputError(f"{run} holds no finished run: {error.filename} is missing.", "run") from error


def fill(
    template: str,
    metrics: dict,
    audit: dict,
    statement: str,
    failures: str = "",
    adapter: str = "",
    root: Path = ROOT,
    pictures: Collection[str] = (),
) -> str:
    """A template of lid/release/templates ("card", "report") with this run's settings, numbers and tables, what was
    found about its failures, in prose, the card's section on the adapter, what the studies in `root`'s docs/ measured,
    and those of PICTURES that were drawn."""
    test, openness, background = metrics["test"], metrics["open_set"], metrics["background"]
    settings = metrics["settings"]
    start, layers = settings.get("init_from") or settings.get("start_from"), settings.get("layers")
    values = {
        **settings,
        **{name: value for name, value in test.items() if not isinstance(value, dict | list)},
        "accuracy": _share(test),
        "by_speaker": "{:.1%} to {:.1%}".format(*test["accuracy_95_by_speaker"]),
        "temperature": metrics["calibration"]["temperature"],
        "metadata": card.metadata(metrics),
        "statement": statement,
        "dropped_table": _dropped_table(audit),
        "split_table": _split_table(audit),
        "proof": _proof(audit),
        "shortcut_table": _shortcut_table(metrics["shortcuts"]),
        "history_table": _history_table(metrics["history"]),
        "kept_text": _kept_text(metrics),
        "other_corpora": _other_corpora(metrics.get("other_corpora", {})),
        "background_count": len(background),
        "background_names": ", ".join(background) or "none",
        "recall_table": _recall_table(test),
        "confusion_table": _confusion_table(test),
        "length_table": _length_table(test),
        "crop_table": _crop_table(metrics["lengths"]),
        "subset_table": _subset_table(metrics),
        "channel_table": _channel_table(metrics["channels"], "channel"),
        "baseline_table": _baseline_table(metrics),
        "former_table": _former_table(metrics),
        "calibration_table": _calibration_table(metrics["calibration"]),
        "language_calibration": _language_calibration(test.get("calibration_by_language", {})),
        "kept": KEPT,
        "said": SAID,
        "score_text": _score_text(metrics.get("score_parts", [])),
        "known_refused": _known_refused(openness),
        "foreign_table": _foreign_table(openness),
        "score_table": _score_table(openness.get("scores", {})),
        "no_speech_table": _no_speech_table(openness["no_speech"]),
        "failures": failures,
        "adapter": f"{adapter}\n" if adapter else "",
        "medium": _medium(root),
        **_ablation(root),
        "condition_table": _condition_table(root),
        **_base_shares(root),
        "base_share": f"{settings.get('base_share', 0.0):.0%}",
        "runs": _runs(settings.get("runs", 1)) + _start_share(settings.get("start_share", 0.0)),
        "kept_layers": f", its first {layers} layers" if layers else "",
        "start": "From the weights of an earlier run on the same split: " if start else "",
    }
    shown = {f"picture_{Path(name).stem}": _picture(name) if name in pictures else "" for name in PICTURES}
    text = (TEMPLATES / f"{template}.md").read_text().format(**values, **shown)
    return re.sub(r"\n{3,}", "\n\n", text)  # where a run lacks a table or a picture


def install(run: Path, statement: Path, root: Path = ROOT) -> None:
    """Make a finished run the own one of the repository at `root`: assets/model with its card, and REPORT.md.

    Raises InputError where the run is not finished, and where there is no statement of its data.
    """
    metrics, audit = load(run)
    if not statement.is_file():
        raise InputError(f"{statement}: no such file. Give the command in the repository's folder.", "statement")
    text = statement.read_text().strip()
    model = root / "assets" / "model"
    model.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run / "merged", model, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for name in ("metrics.json", "split.tsv"):
        shutil.copyfile(run / name, model / name)
    (root / FIGURES).mkdir(parents=True, exist_ok=True)
    pictures = figures.draw(metrics, points(run), root / FIGURES)
    (model / "README.md").write_text(fill("card", metrics, audit, text, root=root))
    failures = _text(root, "FAILURES.md")
    (root / "REPORT.md").write_text(fill("report", metrics, audit, text, failures, root=root, pictures=pictures))


def points(run: Path) -> list[dict]:
    """What the map of embeddings is drawn from; nothing of runs that have none."""
    return json.loads((run / MAP).read_text()) if (run / MAP).is_file() else []


def _share(rate: dict) -> str:
    if rate["accuracy"] is None:
        return "—"
    low, high = rate["accuracy_95"]
    return f"{rate['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _picture(name: str) -> str:
    shows, reading = PICTURES[name]
    return f"![{shows}]({FIGURES}/{name})\n\n{reading}"


def _score_text(parts: list[str]) -> str:
    if not parts:
        return f"`known_score` is {DISTANCE}."
    told = "\n".join(f"- *{part}*: {SCORE_PARTS[part]}" for part in parts)
    return f"`known_score` is a weighted sum of parts, each scaled by its spread on validation clips:\n\n{told}"


def _table(head: list[str], rows: list[list]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)


def _recall_table(test: dict) -> str:
    rows = [[NAMES[code], (of := test["recall"][code])["clips"], of.get("speakers", "—"), _share(of)] for code in CODES]
    return _table(["language", "clips", "speakers", "recall (95 % interval)"], rows)


def _confusion_table(test: dict) -> str:
    if "verdicts" in test:
        head = ["spoken \\ answered", *(NAMES[code] for code in CODES), "none of the three", "no speech"]
        return _table(head, [[NAMES[code], *test["verdicts"][code].values()] for code in CODES])
    rows = [[NAMES[code], *(test["confusion"][code][other] for other in CODES)] for code in CODES]
    return _table(["spoken \\ named", *(NAMES[code] for code in CODES)], rows)


def _length_table(test: dict) -> str:
    rows = [[f"{span} s", rate["clips"], _share(rate)] for span, rate in test["by_speech_seconds"].items()]
    return _table(["speech in the clip", "clips", "accuracy (95 % interval)"], rows)


def _channel_table(results: dict, what: str) -> str:
    rows = [[name, rate["clips"], _share(rate), *_recalls(rate)] for name, rate in results.items()]
    return _table([what, "clips", "accuracy (95 % interval)", *(f"{NAMES[code]} recall" for code in CODES)], rows)


def _crop_table(lengths: dict) -> str:
    def voices(rate: dict) -> str:
        return "{:.1%} to {:.1%}".format(*rate["accuracy_95_by_speaker"]) if "accuracy_95_by_speaker" in rate else "—"

    rows = [
        [name if name == "whole" else f"{name} s", rate["clips"], _share(rate), voices(rate), *_recalls(rate)]
        for name, rate in lengths.items()
    ]
    head = ["first", "clips", "accuracy (95 % interval)", "interval by speaker"]
    return _table([*head, *(f"{NAMES[code]} recall" for code in CODES)], rows)


def _subset_table(metrics: dict) -> str:
    """Named parts of the test clips, where the run was given any."""
    rows = [[name, rate["clips"], _share(rate)] for name, rate in metrics.get("subsets", {}).items()]
    if not rows:
        return ""
    return "Parts of the test clips by name:\n\n" + _table(["part", "clips", "accuracy (95 % interval)"], rows)


def _baseline_table(metrics: dict) -> str:
    """Every method on the test clips, and on each of their named parts."""
    subsets = metrics.get("subsets", {})
    methods = metrics["baselines"] | {"**this model**": metrics["test"] | {"subsets": subsets}}
    rows = []
    for name, rate in methods.items():
        of = rate.get("subsets", {})
        parts = [_share(of[subset]) if subset in of else "—" for subset in subsets]
        rows.append([name, rate["clips"], _share(rate), *_recalls(rate), *parts])
    head = ["method", "clips", "accuracy (95 % interval)", *(f"{NAMES[code]} recall" for code in CODES)]
    return _table([*head, *subsets], rows)


def _recalls(rate: dict) -> list[str]:
    return [_percent(_recall(rate, code)) for code in CODES]


def _recall(rate: dict, code: str) -> float | None:
    recall = rate["recall"][code]
    return recall["accuracy"] if isinstance(recall, dict) else recall


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.1%}"


def _calibration_table(calibration: dict) -> str:
    names = {"ece": "expected calibration error", "nll": "negative log-likelihood, nats", "brier": "Brier score"}
    rows = [[name, calibration["before"][key], calibration["after"][key]] for key, name in names.items()]
    return _table(["on test", "before", "after"], rows)


def _language_calibration(languages: dict) -> str:
    if not languages:
        return ""
    rows = [[NAMES[code], one["ece"], one["nll"]] for code, one in languages.items()]
    return _table(["test clips of", "expected calibration error", "negative log-likelihood, nats"], rows)


def _known_refused(openness: dict) -> str:
    if "known_refused" not in openness:
        return "not measured"
    refused = openness["known_refused"]
    of = "; ".join(f"{NAMES[code]} {_share(rate)}" for code, rate in refused.get("languages", {}).items())
    return _share(refused) + (f"; {of}" if of else "")


OUT_OF_SET = ["clips", "AUROC", "FPR at 95 % TPR", "refused", "called one of the three at 90 % or more"]


def _foreign_table(openness: dict) -> str:
    foreign, groups = openness.get("foreign", {}), openness.get("foreign_groups", {})
    if not foreign:
        return "Not measured."
    trained = {True: "with other voices", False: "no", None: "—"}
    named = [(_language(code), trained[one.get("trained")], one) for code, one in foreign.items() if code != "all"]
    named += [(f"all: {name}", "—", one) for name, one in groups.items() if len(groups) > 1]
    rows = [[name, of, *_out_of_set(one), _told(one)] for name, of, one in [*named, ("**all**", "—", foreign["all"])]]
    return _table(["language", "in training", *OUT_OF_SET, "said to sound like another: rightly"], rows)


def _told(one: dict) -> str:
    """Of how many refused clips it is said what they sound like, and of how many of these rightly."""
    told = one.get("sounds_like")
    return f"{told['told']}: {told['right']}" if told else "—"


def _language(code: str) -> str:
    name = name_of(code)
    return code if name == code else f"{name} ({code})"


def _out_of_set(one: dict) -> list:
    shares = [one["fpr95"], one["refused"], one.get("confident_errors")]
    return [one["clips"], f"{one['auroc']:.3f}", *map(_percent, shares)]


def _former_table(metrics: dict) -> str:
    """Another model beside this one on the clips held out, where it was measured."""
    former = {name: rate["open_set"] for name, rate in metrics["baselines"].items() if "open_set" in rate}
    if not former:
        return ""
    rows = [
        [name, *_out_of_set(one["foreign"]["all"]), _percent(one["known_refused"]["accuracy"])]
        for name, one in (former | {"**this model**": metrics["open_set"]}).items()
    ]
    return "On the same clips:\n\n" + _table(["model", *OUT_OF_SET, "refused of the three"], rows)


def _score_table(scores: dict) -> str:
    ranked = sorted(scores.items(), key=lambda pair: -pair[1]["auroc"])
    rows = [[name, f"{one['auroc']:.3f}", f"{one['fpr95']:.1%}"] for name, one in ranked]
    return _table(["score", "AUROC", "FPR at 95 % TPR"], rows) if rows else "Not measured."


def _no_speech_table(kinds: dict) -> str:
    rows = [[kind, rate["clips"], _share(rate)] for kind, rate in kinds.items()]
    return _table(["sound", "clips", "no language named (95 % interval)"], rows)


def _text(root: Path, name: str) -> str:
    """Prose of docs/ that goes with the embedded model, where there is any."""
    file = root / "docs" / name
    return file.read_text().strip() if file.exists() else ""


def _medium(root: Path) -> str:
    """What the recipe needs at whisper-medium's size: see lid.release.medium."""
    file, card = (root / "docs" / name for name in ("medium_shape.json", "gpu_training.json"))
    if not file.exists():
        return "Not measured: `python experiments/medium_shape.py` does that."
    values = medium.tried_out(json.loads(file.read_text())) | {"disk_gb": medium.disk_gigabytes(60_000)}
    text = (TEMPLATES / "medium.md").read_text().strip().format(**values)
    if not card.exists():
        return text
    sentence, head, rows = medium.on_a_card(json.loads(card.read_text()))
    return f"{text}\n\n{sentence}\n\n{_table(head, rows)}"


def _ablation(root: Path) -> dict[str, str]:
    """Checkpoints on the same copies of the same clips, from experiments/ablation.py."""
    file = root / "docs" / "ablation.json"
    if not file.exists():
        unmeasured = "Not measured: `python experiments/ablation.py` does that."
        return {"ablation_part": "held-out", "ablation_table": unmeasured}
    measured = json.loads(file.read_text())
    copies = list(next(iter(measured["checkpoints"].values())))
    rows = [[name, *(_share(rates[copy]) for copy in copies)] for name, rates in measured["checkpoints"].items()]
    return {"ablation_part": measured["part"], "ablation_table": _table(["checkpoint", *copies], rows)}


def _condition_table(root: Path) -> str:
    """A probe on recording conditions that it was not trained on, from experiments/conditions.py."""
    file = root / "docs" / "conditions.json"
    if not file.exists():
        return "Not measured: `python experiments/conditions.py` does that."
    measured = json.loads(file.read_text())
    return _channel_table({name: rate for name, rate in measured.items() if "accuracy" in rate}, "left out in turn")


def _runs(count: int) -> str:
    if count == 1:
        return ""
    return f", and the mean of {count} runs from one start for the rest (Wortsman et al. 2022, arXiv:2203.05482)"


def _start_share(share: float) -> str:
    return (
        f"; all of its weights are averaged with those that training began from, {share:.0%} of them" if share else ""
    )


def _base_shares(root: Path) -> dict[str, str]:
    """Encoders averaged with the base's on conditions they were not trained on, from experiments/base_share.py."""
    file = root / "docs" / "base_share.json"
    if not file.exists():
        unmeasured = "Not measured: `python experiments/base_share.py` does that."
        return {"share_rounds": "no run", "share_table": unmeasured}
    found = list(json.loads(file.read_text()).values())
    shares = [share for share in found[0]["shares"] if all(share in one["shares"] for one in found)]
    rows = []
    for share in shares:
        row = []
        for copy in found[0]["shares"][share]:
            right, clips = np.sum([list(one["shares"][share][copy].values()) for one in found], axis=(0, 1))
            row.append(f"{right / clips:.1%}")
        russian = np.sum([one["shares"][share]["clean"]["ru"] for one in found], axis=0)
        rows.append([share, *row, f"{russian[0] / russian[1]:.1%}", int(clips)])
    head = ["share of the base", *found[0]["shares"][shares[0]], "clean, Russian recall", "clips"]
    rounds = " and ".join(f"{one['steps']}" for one in found)
    return {"share_rounds": rounds, "share_table": _table(head, rows)}


def _shortcut_table(shortcuts: dict) -> str:
    names = {"as_recorded": "clips as recorded", "as_trained": "what the trainer sees"}
    rows = [[names[key], rate["clips"], _share(rate), f"{rate['chance']:.1%}"] for key, rate in shortcuts.items()]
    return _table(["", "clips", "accuracy (95 % interval)", "chance"], rows)


def _history_table(history: list[dict]) -> str:
    if not history:
        return ""
    names = list(history[0])
    return _table(names, [[entry.get(name, "—") for name in names] for entry in history])


def _kept_text(metrics: dict) -> str:
    """Which of the averages of the weights that were validated is in the checkpoint."""
    if "kept" not in metrics:
        return "Which of these averages the checkpoint has, the run did not record."
    return f"The best of these {len(metrics['history'])} averages, that of step {metrics['kept']:,}, is kept."


def _other_corpora(corpora: dict) -> str:
    """Whole corpora that nothing was trained or chosen on, where the run was given any."""
    if not corpora:
        return ""
    rows = [
        [name, rate["clips"], _share(rate), f"{rate['macro_f1']:.3f}", rate["ece"], *_recalls(rate)]
        for name, rate in corpora.items()
    ]
    head = [
        "corpus",
        "clips",
        "accuracy (95 % interval)",
        "macro F1",
        "ECE",
        *(f"{NAMES[code]} recall" for code in CODES),
    ]
    return (
        "### Corpora that nothing was trained on\n\nOther speakers, texts and microphones; neither weights nor "
        "thresholds were chosen by them.\n\n" + _table(head, rows)
    )


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
    parser = argparse.ArgumentParser(prog="lid report", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the --output folder of a finished train_lora.py")
    parser.add_argument("--statement", type=Path, help="what it was trained on, in prose; docs/DATA.md by default")
    parser.add_argument(
        "--repository",
        type=Path,
        default=ROOT,
        metavar="FOLDER",
        help="where both go; the current folder by default",
    )
    options = parser.parse_args(arguments)
    root = options.repository
    try:
        install(options.run, options.statement or root / "docs" / "DATA.md", root)
    except InputError as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
