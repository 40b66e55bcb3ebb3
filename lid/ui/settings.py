"""Every limit of the page, in one place. The limits of a single file are `lid.audio.Limits`; LID_MAX_SECONDS changes
the
length."""

import os
from dataclasses import replace

from lid.audio import DEFAULT_LIMITS, Limits
from lid.errors import InputError

QUEUE_SIZE = 20  # calls that may wait; the next one is told that the page is busy
AT_ONCE = 8  # recordings under way at once; they share the model, window by window
SESSIONS = 200  # visitors whose first segment and live buffer (2 MB together) are kept
KEEP_SECONDS = 30 * 60  # how long uploads and first segments are kept
SWEEP_SECONDS = 5 * 60  # how often older uploads are deleted
MAX_FILES = 50  # in one call, or in one drop on the page; together no longer than one recording may be
LIVE_SECONDS = 30  # of speech that live mode remembers; windows are 10 s, so this is three or four of them
LIVE_EVERY = 1.0  # seconds between two live answers for one visitor
LIVE_TURN = 60  # seconds one live session may last; then the next visitor has a turn
LIVE_VISITORS = 4  # live sessions at once; they share the model, one answer after another


def limits() -> Limits:
    """The limits of a file. LID_MAX_SECONDS is for a Space with many visitors, or for recordings of over an hour.

    Raises InputError when it is not a number of seconds from 60 to 86400.
    """
    value = os.environ.get("LID_MAX_SECONDS", "").strip()
    if not value:
        return DEFAULT_LIMITS
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 60 <= seconds <= 86_400:
        raise InputError(f"LID_MAX_SECONDS is {value!r}: give a number of seconds from 60 to 86400.", "limits")
    return replace(DEFAULT_LIMITS, max_seconds=seconds)
