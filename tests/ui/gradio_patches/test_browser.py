"""The names that the page's script leans on are in the installed Gradio's page."""

import re

import pytest

from lid.ui.gradio_patches import browser
from tests.ui.gradio_patches.frontend import frontend

NAMES = {
    "call_failure.js": ["queue/join", "queue/data", "window.fetch|fetch\\("],
    "drop_zone.js": ["upload-container", "aria-label"],
    "messages.js": [
        "toast-message-text",
        "toast-item",
        "toast-title",
        "meta-text-center",
        "currently busy",
        "exceed the maximum allowed size",
        "processing \\|",
        "queue:",
    ],
    "plot_axis.js": ["js-plotly-plot", "_fullLayout", "_offset", "_length"],
    "recorder.js": ["getUserMedia", "record-button", "stop-button", "mic-select"],
    "stream.js": ["queue/join", "queue/data", "event_id", "process_completed", "close_stream", "\\.abort\\(\\)"],
}


def test_every_patch_is_looked_after():
    assert list(NAMES) == list(browser.FILES)


@pytest.mark.parametrize(("file", "name"), [(file, name) for file, names in NAMES.items() for name in names])
def test_gradios_page_has_the_name(file, name):
    assert re.search(name, frontend()), f"{file} leans on {name!r}"


def test_the_script_is_whole():
    for word in ("window.lidFailure =", "window.lidPlotAxis =", "nameTheZone", "translateNotes", "lidMicrophoneCard ="):
        assert word in browser.script()
