"""The words that stand in the pictures."""

from dataclasses import dataclass, field

from lid.languages import NAMES


@dataclass(frozen=True)
class Labels:
    """Axis titles, units and language names, in English by default. `separators` is plotly's: decimal sign first."""

    names: dict[str, str] = field(default_factory=lambda: NAMES)
    probability: str = "Probability (%)"
    time: str = "Time (s)"
    clock: str = "Time"  # where the times are as 5:00
    channel: str = "Channel"
    evidence: str = "Evidence (logit)"
    frequency: str = "Frequency (Hz)"
    loudness: str = "dB under the loudest"
    looking_at: str = "Looking at (s)"
    looking_from: str = "From (s)"
    share: str = "times an even share"
    second: str = "s"
    decibel: str = "dB"
    separators: str = ".,"
