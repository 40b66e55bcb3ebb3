"""Room on disk for the clips that will be streamed, asked about before the first of them comes."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lid.data.sources.archive import ArchiveSource
from lid.data.sources.base import Source
from lid.errors import InputError

ENCODED = 45_000  # bytes of a clip: Common Voice's have 5 s in 35 to 45 KB
DECODED = 5 * 32_000  # of its speech, which is kept beside it: 16 bits at 16 kHz


def require(folder: Path, sources: Sequence[Source], want: int | None, there: int = 0) -> None:
    """Raise InputError("disk") where what these sources will leave in `folder` does not fit: `want` clips of each
    language, or as many as their archives have room for, with the speech decoded from them. `there` are bytes of it
    from an earlier run. Nothing is said of sources whose size nobody knows, nor where all clips are wanted (None).
    """
    free = shutil.disk_usage(folder).free
    languages = {source.language for source in sources}
    if want is None or want * len(languages) * (ENCODED + DECODED) < free:
        return  # without asking archives for their size
    clips: Counter[str] = Counter()
    for source in sources:
        clips[source.language] += _clips(source)
    most = sum(min(count, want) for count in clips.values())
    needed = most * (ENCODED + DECODED) - there
    if needed > free:
        fitting = int((free + there) * 0.9 / (ENCODED + DECODED) / len(languages))
        raise InputError(
            f"{folder} has {free / 1e9:.1f} GB left; {most} clips and the speech decoded from them will take about "
            f"{needed / 1e9:.1f} GB. Give another --cache-dir, or fewer clips of each language: --want {fitting}.",
            "disk",
        )


def _clips(source: Source) -> int:
    """How many clips there may be, by the size of the source's archive; 0 where that is unknown."""
    if not isinstance(source, ArchiveSource):
        return 0
    with source.open_stream() as stream:
        stream.read(1)  # over HTTP, the size comes with the first byte
        return (stream.size or 0) // ENCODED
