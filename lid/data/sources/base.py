"""What every source of clips is, however it gets them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lid.data.clip import Clip
from lid.data.sources.selection import Selector

COMMON_VOICE = "common_voice"  # `Clip.source` of everything in Common Voice's layout: a folder and its archive agree
Progress = Callable[[int, int | None], None]  # (done, total or None), in `Source.unit`


def silent(done: int, total: int | None) -> None:
    """Progress that nobody watches."""


@dataclass
class Journal:
    """How a source tells whoever keeps its clips where it could go on after being killed.

    `state` is what the last run noted (None at the start): JSON that only the source understands. `note` is called when
    everything yielded so far may be counted as done.
    """

    state: Any = None
    note: Callable[[Any], None] = lambda state: None


@dataclass
class Source:
    """Clips of one language from one place. `spec` is how a person named the place, fit to be shown.

    `fingerprint` names the content for the cache. After `clips()` has ended, `orphans` lists files that no row mentions
    (only where the whole corpus was read), and `late_durations` holds seconds that became known after the clip was
    yielded, by path.
    """

    language: str
    spec: str
    fingerprint: str
    unit: str = "clips"
    resumable: bool = False
    orphans: list[str] = field(default_factory=list)
    late_durations: dict[str, float] = field(default_factory=dict)

    def clips(
        self, selector: Selector | None = None, progress: Progress = silent, journal: Journal | None = None
    ) -> Iterator[Clip]:
        """Yield what `selector` takes (None: everything). A row without its file, or one that cannot be used
        (`problem` says why), comes with `audio` None and is not counted by the selector. Raises InputError.
        """
        raise NotImplementedError
