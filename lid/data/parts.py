"""Parts of a corpus: clips with their decoded speech, and what everybody asks of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch.utils.data import Subset

from lid.data.clip import PARTS, Clip, StoredClip
from lid.languages import CODES


@dataclass(frozen=True)
class Part:
    """Clips, and in the same order the speech of each: float32 (samples,) at 16 kHz."""

    clips: Sequence[Clip | StoredClip]
    speech: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.clips)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Uzbek, Russian, English, and after them the codes of all other languages here: the rows of a head for it."""
        return (*CODES, *sorted({clip.language for clip in self.clips} - set(CODES)))

    @cached_property
    def labels(self) -> list[int]:
        """Each clip's language as an index into `languages`."""
        return [self.languages.index(clip.language) for clip in self.clips]

    @property
    def speakers(self) -> list[str]:
        return [clip.speaker for clip in self.clips]

    def take(self, indices: Iterable[int]) -> "Part":
        """These clips in this order; speech is still read when it is asked for."""
        indices = list(indices)
        speech = Subset(self.speech, indices)  # type: ignore[arg-type,var-annotated]  # any sequence will do
        return Part([self.clips[i] for i in indices], speech)  # type: ignore[arg-type]  # and is one

    def where(self, wanted: Callable[[Clip | StoredClip], bool]) -> "Part":
        """The clips for which `wanted` is true."""
        return self.take(i for i, clip in enumerate(self.clips) if wanted(clip))

    def sample(self, each: int) -> "Part":
        """At most `each` clips of each of the three languages, evenly spaced."""
        chosen = []
        for code in CODES:
            of = [i for i, clip in enumerate(self.clips) if clip.language == code]
            chosen += of[:: max(1, len(of) // each)][:each]
        return self.take(chosen)

    def evenly(self, most: int) -> "Part":
        """At most `most` clips, evenly spaced."""
        return self.take(range(len(self))[:: -(-len(self) // most) or 1])


@dataclass(frozen=True)
class Parts:
    """A whole corpus. `train` has background languages as well. Of these, `held_out` are the languages and voices that
    test: nothing is trained or chosen by them; and `held_out_validation` are other voices, to choose checkpoints by."""

    train: Part
    validation: Part
    test: Part
    held_out: Part
    held_out_validation: Part = Part((), ())

    def counts(self) -> dict[str, int]:
        """Clips of each part, under the names that metrics.json has always used."""
        return {
            **{name: len(getattr(self, name)) for name in PARTS},
            "foreign": len(self.held_out),
            "foreign_validation": len(self.held_out_validation),
        }
