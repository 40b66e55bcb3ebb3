"""The command line's answers: one line for each file, whatever the file, its name or the terminal is like."""

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from lid import verdict
from lid.errors import as_input_error

if TYPE_CHECKING:
    from lid.identify import LanguageIdentifier, Prediction

STDIN = "-"


@dataclass(frozen=True)
class Answer:
    """What is known of one file: a prediction, or the sentence why there is none."""

    path: str
    prediction: "Prediction | None" = None
    damaged: bool = False
    error: str = ""

    @property
    def json(self) -> str:
        """One JSON object. It can always be written as UTF-8."""
        told = self.prediction.to_dict(self.damaged) if self.prediction else {"error": printable(self.error)}
        return json.dumps({"path": valid_unicode(self.path), **told}, ensure_ascii=False)

    @property
    def line(self) -> str:
        """One line of text."""
        if self.prediction is None:
            return f"{printable(self.path)}: error: {printable(self.error)}"
        return f"{printable(self.path)}: {verdict.in_words(self.prediction, self.damaged)}"


def answers(paths: Sequence[str], identifier: "LanguageIdentifier") -> Iterator[Answer]:
    """An Answer for each path, in order. Whatever happens to one file, the others go on."""
    from lid import audio

    for path in paths:
        try:
            recording = audio.read(_standard_input() if path == STDIN else path)
            yield Answer(path, identifier.identify(recording), verdict.is_damaged(recording))
        except Exception as error:
            yield Answer(path, error=str(as_input_error(error)))


def write(answer: Answer, as_json: bool, output: TextIO | None = None) -> None:
    """Print an answer at once. JSON is written as UTF-8; text in the encoding of the terminal, with what it cannot show
    as escapes (\\u02bb)."""
    output = output or sys.stdout
    if isinstance(output, io.TextIOWrapper):  # not a stream that was put in place of stdout
        output.reconfigure(encoding="utf-8" if as_json else None, errors="backslashreplace")
    print(answer.json if as_json else answer.line, file=output, flush=True)


def protect_dashes(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """Write the file `-clip.wav` as `./-clip.wav`, as a pattern such as `*.wav` does not, so that it is not taken for
    an option. An argument that can be one of `options`, in full or shortened, stays as it is."""
    return [f"./{argument}" if _is_dashed_file(argument, options) else argument for argument in arguments]


def valid_unicode(name: str) -> str:
    """A file's name with the bytes that are not UTF-8 as escapes (\\xf0). Python keeps them as lone surrogates."""
    name = re.sub("[\ud800-\udc7f\udd00-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", name)
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Text on one line: also without line ends and other control characters, which become escapes (\\n)."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in valid_unicode(text))


def _is_dashed_file(argument: str, options: Sequence[str]) -> bool:
    if argument == STDIN or not argument.startswith("-"):
        return False
    given = argument.partition("=")[0]
    return not any(option.startswith(given) for option in options) and os.path.lexists(argument)


def _standard_input() -> bytes:
    """All of standard input; no more than one byte above the limit, which is then an error."""
    from lid.audio import DEFAULT_LIMITS

    return sys.stdin.buffer.read(DEFAULT_LIMITS.max_bytes + 1)
