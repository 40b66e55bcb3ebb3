"""The one exception type for what a person can cause and put right, and how a command tells of it."""

import functools
import sys
import traceback
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


def as_input_error(error: Exception) -> InputError:
    """`error` itself if it is an InputError; for any other, an InputError with the reason "unexpected".

    For loops over several files, where whatever happens to one must not stop the others. An unexpected error is a fault
    of the program or the machine, so its traceback goes to stderr.
    """
    if isinstance(error, InputError):
        return error
    traceback.print_exception(error, file=sys.stderr)
    detail = " ".join(str(error).split())[:200]
    return InputError(f"This file could not be answered ({type(error).__name__}: {detail}).", "unexpected")
