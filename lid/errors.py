"""The one exception type for what a person can cause and put right, and how a command tells of it."""

import functools
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something about the input is wrong. `str(error)` is a sentence fit to be shown; `reason` is a short stable code.

    Raised for audio that cannot be used ("empty", "not_audio", "too_short", "too_long", "too_large", "unreadable",
    "sample_rate") and by the training recipe for data, keys and options that cannot be used.
    """

    def __init__(self, message: str, reason: str = "input"):
        super().__init__(message)
        self.reason = reason


def command(name: str) -> Callable:
    """Make `main(arguments)` the main function of the command `name`: it returns the exit status, 0, or 1 after an
    InputError, whose sentence goes to the standard error."""

    def decorate(main: Callable[..., None]) -> Callable[..., int]:
        @functools.wraps(main)
        def run(arguments: list[str] | None = None) -> int:
            try:
                main(arguments)
            except InputError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 1
            return 0

        return run

    return decorate
