"""The one typed row that every data source yields, with its bytes in memory or still on disk."""

from dataclasses import dataclass

from lid.errors import InputError


@dataclass(frozen=True)
class Clip:
    """One recording as its source has it: still encoded, not yet decoded or judged.

    `audio` holds the file's bytes (None when the row names a file that does not exist), `path` its name within the
    source, `speaker` an opaque hash ("" when unknown), `sentence` the text that was read ("" when unknown), `source`
    where the clip came from, `duration` seconds as the source declares them (None when it does not). `problem` says in
    words why the row itself cannot be used ("" when it can).
    """

    path: str
    audio: bytes | None
    language: str
    speaker: str = ""
    sentence: str = ""
    source: str = ""
    duration: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class StoredClip:
    """The same attributes as `Clip`; `audio` reads the bytes each time it is used.

    The bytes are `size` bytes of `file` from `offset` on, or all of it where `size` is None. `file` is None for a row
    whose clip does not exist. Holds no open file, so it may cross to another process.
    """

    path: str
    language: str
    speaker: str
    sentence: str
    source: str
    duration: float | None
    file: str | None
    offset: int = 0
    size: int | None = None
    problem: str = ""

    @property
    def audio(self) -> bytes | None:
        if self.file is None:
            return None
        try:
            with open(self.file, "rb", buffering=0 if self.size is None else -1) as file:
                file.seek(self.offset)
                return file.read(-1 if self.size is None else self.size)
        except OSError as error:
            text = f"{self.path} was there and can no longer be read: {error.strerror}."
            raise InputError(text, "unreadable") from error
