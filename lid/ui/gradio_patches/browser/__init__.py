"""What the page's script reads and corrects in the page that Gradio draws. One JavaScript file for each patch.

    call_failure.js  why a call failed, which Gradio's `failure` event does not say
    drop_zone.js     the text and the accessible name of the drop zone
    messages.js      Gradio's English messages, in the page's language
    plot_axis.js     where a plot's axes are, in pixels
    recorder.js      a microphone that cannot be used, its level, keys and tabs
    stream.js        a stream of answers that ends only when no answer is awaited

Each file's first lines say what Gradio does and what to check. tests/ui/gradio_patches/test_browser.py looks for the
names that they lean on in the installed Gradio; tests/browser tries what they do in a real Chromium.
"""

from pathlib import Path

FILES = ("call_failure.js", "drop_zone.js", "messages.js", "plot_axis.js", "recorder.js", "stream.js")


def script() -> str:
    """The patches as one JavaScript text. It needs `window.lidWords`, and defines `lidFailure` and `lidPlotAxis`."""
    return "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in FILES)
