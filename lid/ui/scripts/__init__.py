"""What the page does in the browser by itself, one JavaScript file for each job. What reads or corrects Gradio's own
page is in gradio_patches/browser.

    actions.js  the buttons inside our HTML, Esc, the tab's title
    copy.js     buttons that copy
    drop.js     a drop anywhere on the page
    history.js  the answers of this visit
    pictures.js what a screen reader says of the pictures
    player.js   the player and the pictures' playhead
    report.js   the answer as one HTML file
    strip.js    the timeline as a control
"""

from pathlib import Path

FILES = ("actions.js", "copy.js", "drop.js", "history.js", "pictures.js", "player.js", "report.js", "strip.js")


def script() -> str:
    """All of them as one text. It needs `window.lidWords`, and `lidPlotAxis` of gradio_patches/browser."""
    return "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in FILES)
