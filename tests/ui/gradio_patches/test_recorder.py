"""The recorder has the property that live mode sets."""

from lid.ui.gradio_patches import recorder
from tests.ui.gradio_patches.frontend import frontend


def test_the_recorder_reads_the_property():
    assert "stream_every" in recorder.piece_length(1.0)
    assert "stream_every" in frontend("audio-")
