"""Every limit of the page, in one place. The limits of a single file are `lid.audio.Limits`; LID_MAX_SECONDS changes
the
length."""

import os
from dataclasses import replace

from lid.audio import DEFAULT_LIMITS, Limits
from lid.errors import InputError

QUEUE_SIZE = 20  # calls of one address that may wait in each group of events; the next one is told that it is busy
PLACES_OF_SESSION = 10  # of these for one page or client
ADDRESSES = 3  # times as many may wait in all; then whoever asks most loses a place
UNREAD_SECONDS = 10.0  # after which a call that waits loses its place, because nobody reads its answer
KEEP_ANSWERS_SECONDS = 10 * 60  # how long an answer waits for who reads it
AT_ONCE = 8  # recordings under way at once; they share the model, window by window
SESSIONS = 200  # visitors whose first segment and live buffer (2 MB together) are kept
KEEP_SECONDS = 30 * 60  # how long uploads and first segments are kept
SWEEP_SECONDS = 5 * 60  # how often older uploads are deleted
MAX_FILES = 50  # in one call, or in one drop on the page; together no longer than one recording may be
BATCH_CPU = 10.0  # seconds of processor time that the files of one call may take to be opened, all together
LIVE_SECONDS = 30  # of speech that live mode remembers; windows are 10 s, so this is three or four of them
LIVE_EVERY = 1.0  # seconds between two live answers for one visitor
LIVE_TURN = 60  # seconds one live session may last; then the next visitor has a turn
LIVE_VISITORS = 4  # live sessions at once; they share the model, one answer after another
LIVE_OF_ADDRESS = 3  # of these for one address
LIVE_SILENT_SECONDS = 8.0  # after which a live session that sends nothing has ended


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
