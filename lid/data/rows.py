"""The one typed row that every data source yields."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Clip:
    """One recording as its source has it: still encoded, not yet decoded or judged.

    `audio` holds the file's bytes (None when the row names a file that does not exist), `path` its name within the
    source, `speaker` an opaque hash ("" when unknown), `sentence` the text that was read ("" when unknown), `source`
    where the clip came from, `duration` seconds as the source declares them (None when it does not).
    """

    path: str
    audio: bytes | None
    language: str
    speaker: str = ""
    sentence: str = ""
    source: str = ""
    duration: float | None = None
