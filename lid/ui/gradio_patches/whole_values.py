"""A value that changes while an answer comes is sent whole.

What Gradio does (checked in 6.31): of each message after the first it sends how the values differ, key by key. Its page
carries that out on the very objects that it gave its components before. A component that has not drawn such an object
yet, on a slow phone or a busy machine, then finds the next message's value in it. So a picture was never drawn: the
next message says to leave it alone, and that took the picture's place.

`gradio.utils.diff` is replaced. A text still gets its new end alone; of anything else that changed, all is sent.

At an upgrade, check: that `Blocks.handle_streaming_diffs` takes `diff` from `gradio.utils`, that
`["replace", [], value]` is still a change of the whole, and whether the page copies what it changes
(docs/GRADIO-REPORTS.md); if it does, remove this.
"""

from typing import Any

from gradio import utils

_by_keys = utils.diff


def install() -> None:
    """For every page in this process."""
    utils.diff = _diff


def _diff(old: Any, new: Any) -> list:
    if isinstance(new, str):
        return _by_keys(old, new)
    return [] if old == new else [["replace", [], new]]
