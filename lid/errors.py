"""The one exception type for what a person can cause and put right."""


class InputError(ValueError):
    """Something about the input is wrong. `str(error)` is a sentence fit to be shown; `reason` is a short stable code.

    Raised for audio that cannot be used ("empty", "not_audio", "too_short", "too_long", "too_large", "unreadable",
    "sample_rate") and by the training recipe for data, keys and options that cannot be used.
    """

    def __init__(self, message: str, reason: str = "input"):
        super().__init__(message)
        self.reason = reason
