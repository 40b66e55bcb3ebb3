"""Figures of the report. The same numbers make the same files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lid.languages import CODES, NAMES, name_of
from lid.ui.colours import LANGUAGES as COLOURS

# Okabe and Ito's colours, which colour-blind readers can tell apart; black and grey are left for totals and the rest.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#A6761D", "#6A3D9A")
VERDICTS = {**NAMES, "none": "none of\nthe three", "no_speech": "no speech"}
FEW = 20  # clips; an accuracy of fewer has an interval too wide to draw
# Out-of-set languages that are drawn in colour where there are many: neighbours of the three, in speech or on the map.
NEIGHBOURS = ("fa", "tr", "az", "uk", "kk", "hy", "ky", "tg")


def draw(metrics: dict, points: Sequence[dict], folder: Path) -> list[str]:
    """Draw all for which a run has numbers, into `folder`, and return the names of the files. `points` are those of
    `lid.evaluation.embedding_map`, if there are any. A figure that cannot be drawn and is there is of another run: it
    is removed."""
    openness = metrics["open_set"]
    figures: dict[str, tuple[Callable, object]] = {
        "reliability.svg": (reliability, metrics["calibration"]),
        "verdicts.svg": (verdicts, _verdict_rows(metrics)),
        "seconds.svg": (seconds, metrics["lengths"]),
        "roc.svg": (roc, openness if "roc" in openness else None),
        "learning.svg": (learning, metrics if metrics.get("history") else None),
        "embeddings.png": (embeddings, points),
    }
    for name, (function, numbers) in figures.items():
        if numbers:
            function(numbers, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    return [name for name, (_, numbers) in figures.items() if numbers]


def reliability(calibration: dict, file: Path) -> None:
    """How often an answer was right against how sure it was, before and after the temperature; areas are clips."""
    figure, axes = _axes(5, 5)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
    for name, colour in (("before", "#E69F00"), ("after", "#0072B2")):
        bins = calibration[name]["reliability"]
        x, y = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
        axes.plot(x, y, color=colour, linewidth=1)
        axes.scatter(
            x,
            y,
            [8 + one["clips"] for one in bins],
            color=colour,
            alpha=0.7,
            label=f"{name}, ECE {calibration[name]['ece']:.3f}",
        )
    axes.set(xlabel="confidence in the language named", ylabel="share of such answers that are right")
    axes.set(xlim=(0.3, 1.02), ylim=(-0.02, 1.05))
    axes.legend(loc="upper left", frameon=False, markerscale=0.5)
    _save(figure, file)


def verdicts(rows: dict[str, dict[str, int]], file: Path) -> None:
    """A confusion matrix: for what is spoken in each row, how many clips got which answer; shades are shares of a
    row."""
    figure, axes = _axes(7, 1.2 + 0.75 * len(rows))
    counts = [[row[verdict] for verdict in VERDICTS] for row in rows.values()]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            text = f"{counts[y][x]:,}\n{share:.1%}" if counts[y][x] else "0"
            axes.text(x, y, text, ha="center", va="center", color="white" if share > 0.55 else "black")
    axes.set_xticks(range(len(VERDICTS)), list(VERDICTS.values()))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel="answer", ylabel="spoken")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _save(figure, file)


def seconds(lengths: dict[str, dict], file: Path) -> None:
    """Accuracy on the first seconds of clips, of all and of each language, with 95 % intervals."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes(7, 4.5)
    names, lowest = list(lengths), 1.0
    lines = [("all", "all three", "black")] + [(code, NAMES[code], COLOURS[code]) for code in CODES]
    for place, (key, label, colour) in enumerate(lines):
        rates = [rate if key == "all" else rate.get("languages", {}).get(key) for rate in lengths.values()]
        shown = [(x, rate) for x, rate in enumerate(rates) if rate and rate["clips"] >= FEW]
        if not shown:
            continue
        y = [rate["accuracy"] for _, rate in shown]
        spread = [[rate["accuracy"] - rate["accuracy_95"][0] for _, rate in shown]]
        spread.append([rate["accuracy_95"][1] - rate["accuracy"] for _, rate in shown])
        x = [x + 0.1 * (place - 1.5) for x, _ in shown]
        axes.errorbar(x, y, spread, color=colour, label=label, marker="o", markersize=4, capsize=2, linewidth=1.2)
        lowest = min(lowest, *(rate["accuracy_95"][0] for _, rate in shown))
    ticks = [
        f"{name if name == 'whole' else f'{name} s'}\n{rate['clips']:,} clips"
        for name, rate in zip(names, lengths.values(), strict=True)
    ]
    axes.set_xticks(range(len(names)), ticks)
    axes.set(xlabel="speech heard, from the start of the clip", ylabel="accuracy", ylim=(max(0.0, lowest - 0.02), 1.01))
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))  # whole percents, as they are labelled
    axes.yaxis.set_major_formatter(_percent())
    axes.grid(axis="y", color="0.9")
    axes.legend(loc="lower right", frameon=False)
    _save(figure, file)


def roc(openness: dict, file: Path) -> None:
    """ROC curves of the score behind `known`, for each out-of-set language and for all; dots are what is served."""
    figure, axes = _axes(7, 6)
    curves, foreign = dict(openness["roc"]), openness["foreign"]
    false = curves.pop("false")
    codes = sorted((code for code in curves if code != "all"), key=lambda code: -foreign[code]["clips"])
    many = len(codes) > len(PALETTE)
    coloured = [code for code in NEIGHBOURS if code in codes] if many else codes
    coloured = sorted(coloured or codes[: len(PALETTE)], key=lambda code: -foreign[code]["auroc"])
    kept = 1 - openness["known_refused"]["accuracy"]
    axes.plot(false, false, color="0.8", linewidth=1, linestyle=":")
    for number, code in enumerate(code for code in codes if code not in coloured):
        axes.plot(false, curves[code], color="0.82", linewidth=0.7, label="" if number else "each other language")
    for code, colour in [*zip(coloured, PALETTE, strict=False), ("all", "black")]:
        one = foreign[code]
        name = "all together" if code == "all" else name_of(code)
        label = f"{name}: {one['auroc']:.3f} ({one['clips']:,} clips)"
        axes.plot(false, curves[code], color=colour, linewidth=2.2 if code == "all" else 1.3, label=label)
        axes.plot(1 - one["refused"], kept, "o", color=colour, markersize=5)
    axes.set(
        xlabel="share of the other language's clips let through", ylabel="share of the three languages' clips kept"
    )
    axes.set_xscale("function", functions=(_root, np.square))  # thresholds of use let few of them through
    axes.set(xlim=(0, 1.02), ylim=(-0.01, 1.01), xticks=[0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1])
    axes.grid(color="0.93")
    axes.xaxis.set_major_formatter(_percent())
    axes.yaxis.set_major_formatter(_percent())
    axes.legend(loc="lower right", frameon=False, title="area under the curve")
    _save(figure, file)


def learning(metrics: dict, file: Path) -> None:
    """What training was validated by, over its steps: losses on the left, and how the loss went between validations;
    shares on the right."""
    history, curve = metrics["history"], metrics.get("curve", [])
    figure, (left, right) = _axes(9, 4, 2)
    steps = [entry["step"] for entry in history]
    names = [name for name in history[0] if name not in ("step", "score")]  # score: a sum, what is selected by
    for axes, title, is_loss in ((left, "loss, nats", True), (right, "on validation clips", False)):
        of = [name for name in names if ("loss" in name) == is_loss and all(name in entry for entry in history)]
        for name, colour in zip(of, PALETTE, strict=False):
            values, label = [entry[name] for entry in history], name.replace("_", " ")
            axes.plot(steps, values, color=colour, marker="o", markersize=3, linewidth=1.2, label=label)
        if is_loss and curve:
            axes.plot(
                [p["step"] for p in curve], [p["train_loss"] for p in curve], color="0.6", linewidth=0.8, zorder=0
            )
        axes.set(xlabel="step", ylabel=title)
        axes.grid(axis="y", color="0.9")
        if of:
            axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    right.yaxis.set_major_formatter(_percent(1))
    _save(figure, file)


def embeddings(points: Sequence[dict], file: Path) -> None:
    """Where clips lie in two directions: coloured by language, and by the highest frequency in the recording."""
    figure, (left, right) = _axes(10, 4.6, 2)
    other = [point for point in points if point["language"] not in CODES]
    for group, label, colour, marker in [
        (other, "other languages", "0.6", "x"),
        *(([p for p in points if p["language"] == code], NAMES[code], COLOURS[code], "o") for code in CODES),
    ]:
        left.scatter(*_places(group), s=12, alpha=0.7, color=colour, marker=marker, linewidths=0.8, label=label)
    left.legend(frameon=False, loc="best")
    left.set_title("language", fontsize=10)
    for group, marker in ((other, "x"), ([point for point in points if point["language"] in CODES], "o")):
        band = [point["bandwidth"] / 1000 for point in group]
        shades = right.scatter(
            *_places(group), s=12, c=band, cmap="viridis", vmin=3, vmax=8, marker=marker, linewidths=0.8, alpha=0.8
        )
    figure.colorbar(shades, ax=right, label="highest frequency in the recording, kHz", extend="min")
    right.set_title("recording condition", fontsize=10)
    for axes in (left, right):
        axes.set(xticks=[], yticks=[])
    _save(figure, file)


def _verdict_rows(metrics: dict) -> dict[str, dict[str, int]] | None:
    """Counts of verdicts for each language and for all other languages; None of runs that did not count them."""
    rows = metrics["test"].get("verdicts")
    if not rows:
        return None
    other = metrics["open_set"].get("foreign", {}).get("all", {}).get("verdicts")
    return {NAMES[code]: rows[code] for code in CODES} | ({"other\nlanguages": other} if other else {})


def _places(points: Sequence[dict]) -> tuple[list[float], list[float]]:
    return [point["x"] for point in points], [point["y"] for point in points]


def _root(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(values, 0.0))


def _percent(decimals: int = 0):
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals)


def _axes(width: float, height: float, columns: int = 1) -> tuple:
    """A figure of this size in inches, and its axes."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lid"  # the same file for the same numbers
    matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: it can be read aloud and searched, in half the size
    from matplotlib import pyplot

    return pyplot.subplots(1, columns, figsize=(width, height), layout="constrained")


def _save(figure, file: Path) -> None:
    from matplotlib import pyplot
    from PIL import Image

    metadata = {"Date": None} if file.suffix == ".svg" else {"Software": None}
    figure.savefig(file, metadata=metadata, dpi=100)
    if file.suffix == ".png":
        with Image.open(file) as drawn:
            drawn.quantize().save(file, optimize=True)  # 256 colours: a third of the size, and no difference to see
    pyplot.close(figure)
