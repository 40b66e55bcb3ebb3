"""How long the pieces are that the microphone sends in live mode.

What Gradio does (checked in 6.31): its recorder sends a piece every 0.1 s, whatever `stream_every` of the event says,
and loses the pieces that come faster than they are answered.

The recorder component has its own property `stream_every`, which no Python argument sets. It reads it as it starts, a
moment after it reports `start_recording`; so an update in the browser, at that event, is in time.

At an upgrade, check: whether the event's `stream_every` reaches the recorder, and then remove this.
"""


def piece_length(seconds: float) -> str:
    """JavaScript for `start_recording(None, None, audio, js=...)`: send a piece every so many seconds."""
    return f"() => ({{__type__: 'update', stream_every: {seconds}}})"
