"""What the page keeps of a recording: the overview spectrogram, the opening, and whether the file was damaged."""

import numpy as np
import torch

from lid import audio
from lid.features import log_mel
from lid.plots import MAX_COLUMNS
from lid.ui import recording


def test_overview_of_a_short_clip_is_the_spectrogram_itself():
    waveform = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    expected = log_mel(torch.from_numpy(waveform)[None])[0].numpy()
    assert np.allclose(recording.overview_mel(waveform), expected)


def test_overview_of_a_long_clip_is_small_and_floored_under_its_loudest_minute():
    waveform = np.random.default_rng(0).normal(0, 1e-6, 130 * 16_000).astype(np.float32)
    waveform[-16_000:] = np.sin(np.arange(16_000) * 0.5)  # a loud last second; the rest lies under Whisper's floor
    mel = recording.overview_mel(waveform)
    assert mel.shape[0] == 80
    assert mel.shape[1] <= MAX_COLUMNS
    assert np.allclose(mel[:, : mel.shape[1] // 2], mel.max() - 2.0, atol=0.2)


def test_shortest_clips_are_drawn():
    assert recording.overview_mel(np.zeros(100, np.float32)).shape[0] == 80


def test_heard_keeps_the_opening_and_tells_of_damage(clips, identifier):
    for name, damaged in (("speech", False), ("truncated", True)):
        heard = recording.hear(clips[name], identifier.identify, 10.0)
        assert heard.damaged == damaged
        assert len(heard.opening.waveform) <= 12 * audio.SAMPLE_RATE
        assert heard.opening.start <= heard.prediction.frame_starts[0]
        weights, start = identifier.attention(heard.opening.waveform)
        assert weights.shape[1] > 0
        assert abs(heard.opening.start + start - heard.prediction.frame_starts[0]) < 0.5


def test_silence_has_no_opening(clips, identifier):
    assert recording.hear(clips["silence"], identifier.identify, 10.0).opening is None
