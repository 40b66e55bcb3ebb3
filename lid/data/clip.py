"""The one typed row that every data source yields, with its bytes in memory or still on disk."""

from dataclasses import dataclass

from lid.errors import InputError

PARTS = ("train", "validation", "test")  # of the three languages' own clips

# What a clip may be used for.
OWN = "own"  # one of the three languages: trains, or validates, or tests, as the split decides
EXTRA = "extra"  # one of the three languages, for training only
BACKGROUND = "background"  # another language, for training: the model learns what is none of the three
HELD_OUT = "held-out"  # another language or voice of one, kept out of training: what is out-of-set is measured on it


@dataclass(frozen=True)
class Clip:
    """One recording as its source has it: still encoded, not yet decoded or judged.

    `audio` holds the file's bytes (None when the row names a file that does not exist), `path` its name within the
    source, `speaker` an opaque hash ("" when unknown), `sentence` the text that was read ("" when unknown), `source`
    where the clip came from, `duration` seconds as the source declares them (None when it does not), `role` one of the
    words above, `problem` why the row itself cannot be used, in words ("" when it can).
    """

    path: str
    audio: bytes | None
    language: str
    speaker: str = ""
    sentence: str = ""
    source: str = ""
    duration: float | None = None
    role: str = OWN
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
    role: str = OWN
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
