"""Which clips of a large corpus are taken: a share of the names, and not too many of one voice.

A clip's place in the queue is a hash of its file name. It has nothing to do with who speaks or what is said, it is the
same in every run and in every packing of the corpus, and it is known before the clip's row is.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable

SPREAD = 4  # an archive is read up to this many times further than needed, so that the clips are not all from its start
RESERVE = 2  # clips allowed for each one wanted: rows may name files that are not there


def name_hash(name: str) -> int:
    """63 bits that stand for a bare file name: uniform, and an integer SQLite can hold."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> 1


class Selector:
    """Counts what was taken: at most `want` clips (None: all), at most `max_per_speaker` of one known speaker."""

    def __init__(self, want: int | None = None, max_per_speaker: int | None = None):
        self.want, self.max_per_speaker = want, max_per_speaker
        self.taken = 0
        self._per_speaker: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        return self.want is not None and self.taken >= self.want

    @property
    def unlimited(self) -> bool:
        return self.want is None

    def wants(self, speaker: str) -> bool:
        """Whether one more clip of this speaker is needed."""
        if self.full:
            return False
        return self.max_per_speaker is None or not speaker or self._per_speaker[speaker] < self.max_per_speaker

    def accept(self, speaker: str) -> bool:
        """Take one clip of this speaker, or say that none is needed."""
        if not self.wants(speaker):
            return False
        self._per_speaker[speaker] += 1
        self.taken += 1
        return True


def reading_threshold(rows: Iterable[tuple[int, str]], want: int | None, max_per_speaker: int | None) -> int | None:
    """The highest name hash to take while reading on until `want` clips are in; None when every name may be taken.

    `rows` are (hash, speaker) in the order of hashes, of the whole corpus. RESERVE clips are let in for each one
    wanted, or a SPREADth of all that the speaker limit allows where that is more: then `want` of them are found over
    want x SPREAD clips' worth of archive, and the archive need not be read to its end.
    """
    if want is None:
        return None
    allowed = Selector(None, max_per_speaker)
    hashes = array("q", (key for key, speaker in rows if allowed.accept(speaker)))
    count = max(RESERVE * want, -(-len(hashes) // SPREAD))
    return None if count >= len(hashes) else hashes[count - 1]
