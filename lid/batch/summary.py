"""What a run tells of itself: a bar while it goes on, and the counts at its end."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

HOUR = 3600.0


@dataclass
class Summary:
    """Counts over rows of `lid.batch.results.SCHEMA`; hours are of audio, costs in seconds of a processor."""

    recordings: int = 0
    hours: float = 0.0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    languages: Counter = field(default_factory=Counter)
    verdicts: Counter = field(default_factory=Counter)
    errors: Counter = field(default_factory=Counter)

    def add(self, rows: pa.Table) -> None:
        """Count these rows, too: all columns of `lid.batch.results.COUNTED`."""
        self.recordings += len(rows)
        self.hours += _sum(rows, "duration_seconds") / HOUR
        self.cpu_seconds += _sum(rows, "cpu_seconds")
        self.gpu_seconds += _sum(rows, "gpu_seconds")
        for named in rows["languages"].to_pylist():
            self.languages.update(named or ())
        self.verdicts.update(one for one in rows["verdict"].to_pylist() if one)
        self.errors.update(one for one in rows["reason"].to_pylist() if one)

    def to_dict(self) -> dict[str, Any]:
        """As JSON. A recording in several languages counts for each of them."""
        told: dict[str, Any] = {
            "recordings": self.recordings,
            "hours": round(self.hours, 4),
            "languages": dict(self.languages.most_common()),
            "verdicts": dict(self.verdicts.most_common()),
            "errors": dict(self.errors.most_common()),
        }
        for name in ("cpu_seconds", "gpu_seconds"):
            if seconds := getattr(self, name):
                told[name] = round(seconds, 1)
                told[f"{name}_per_hour_of_audio"] = round(seconds / self.hours, 2) if self.hours else None
        return told

    def in_words(self) -> str:
        """Some lines of English."""
        lines = [f"{self.recordings:,} recordings, {self.hours:,.1f} hours"]
        for title, counts in (("languages", self.languages), ("verdicts", self.verdicts), ("errors", self.errors)):
            if counts:
                lines.append(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in counts.most_common()))
        if self.hours:
            costs = {"CPU": self.cpu_seconds, "GPU": self.gpu_seconds}
            lines += [
                f"{kind} seconds an hour of audio: {cost / self.hours:.1f}" for kind, cost in costs.items() if cost
            ]
        return "\n".join(lines)


class Progress:
    """A bar: recordings, and hours of audio a second, errors by reason, time left."""

    def __init__(self, output: TextIO, hidden: bool = False):
        self._bar = tqdm(unit=" recordings", file=output, disable=hidden, dynamic_ncols=True, smoothing=0.05)
        self._began = time.monotonic()

    def expect(self, recordings: int) -> None:
        """So many more are to be done."""
        self._bar.total = (self._bar.total or 0) + recordings
        self._bar.refresh()

    def show(self, recordings: int, run: Summary) -> None:
        """So many more are done; `run` counts all of this run."""
        elapsed = max(time.monotonic() - self._began, 1e-9)
        told = {"hours/s": f"{run.hours / elapsed:.3g}"} | {
            reason: count for reason, count in run.errors.most_common(4)
        }
        self._bar.set_postfix(told, refresh=False)
        self._bar.update(recordings)

    def close(self) -> None:
        self._bar.close()


def _sum(rows: pa.Table, column: str) -> float:
    return pc.sum(rows[column]).as_py() or 0.0
