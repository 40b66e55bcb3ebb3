"""Figures of the report, as SVG files."""

from pathlib import Path


def reliability(calibration: dict, file: Path) -> None:
    """How often an answer was right against how sure it was, before and after the temperature; areas are clips."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lid"  # the same file for the same numbers
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5), layout="constrained")
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
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
