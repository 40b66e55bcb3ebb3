"""What the page keeps of a recording: the overview spectrogram, the first_segment, and whether the file was damaged."""

import threading

import numpy as np
import pytest

from lid import InputError, audio
from lid.ui import recording
from lid.ui.pooling import MAX_COLUMNS
from tests.ui.predictions import make_prediction


def test_overview_of_a_short_clip_is_the_spectrogram_itself(identifier):
    waveform = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    log_mel = identifier.model.log_mel
    assert np.allclose(recording.overview_mel(waveform, log_mel), log_mel(waveform[None])[0])


def test_overview_of_a_long_clip_is_small_and_floored_under_its_loudest_minute(identifier):
    waveform = np.random.default_rng(0).normal(0, 1e-6, 130 * 16_000).astype(np.float32)
    waveform[-16_000:] = np.sin(np.arange(16_000) * 0.5)  # a loud last second; the rest lies under Whisper's floor
    mel = recording.overview_mel(waveform, identifier.model.log_mel)
    assert mel.shape[0] == 80
    assert mel.shape[1] <= MAX_COLUMNS
    assert np.allclose(mel[:, : mel.shape[1] // 2], mel.max() - 2.0, atol=0.2)


def test_shortest_clips_are_drawn(identifier):
    assert recording.overview_mel(np.zeros(100, np.float32), identifier.model.log_mel).shape[0] == 80


def heard(path, identifier) -> recording.RecordingResult:
    return list(
        recording.analyse(path, recording.with_progress(identifier.identify), identifier.model, audio.DEFAULT_LIMITS)
    )[-1]


def test_heard_keeps_the_opening_and_tells_of_damage(clips, identifier):
    for name, damaged in (("speech", False), ("truncated", True)):
        result = heard(clips[name], identifier)
        assert result.damaged == damaged
        assert len(result.first_segment.waveform) <= 12 * audio.SAMPLE_RATE
        assert result.first_segment.start <= result.prediction.frame_starts[0]
        weights, start = identifier.attention(result.first_segment.waveform)
        assert weights.shape[1] > 0
        assert abs(result.first_segment.start + start - result.prediction.frame_starts[0]) < 0.5


def test_silence_has_no_opening(clips, identifier):
    assert heard(clips["silence"], identifier).first_segment is None


def test_steps_tell_each_window_and_then_the_prediction():
    prediction = make_prediction([0.9, 0.1, 0.0])

    def identify(waveform, progress):
        progress(0.5, "uz")
        progress(1.0, "ru")
        return prediction

    first, last = recording.ProgressUpdate(0.5, "uz"), recording.ProgressUpdate(1.0, "ru")
    assert list(recording.with_progress(identify)(np.zeros(1))) == [first, last, prediction]


def test_the_model_works_only_when_the_next_step_is_asked_for():
    prediction, done = make_prediction([0.9, 0.1, 0.0]), []

    def identify(waveform, progress):
        for window in range(1, 4):
            done.append(window)
            progress(window / 3, "uz")
        return prediction

    steps = recording.with_progress(identify)(np.zeros(1))
    for window in range(1, 4):
        assert next(steps).share == window / 3
        assert done == list(range(1, window + 1))
    assert next(steps) is prediction


def test_a_part_is_heard_alone_and_keeps_the_times_of_its_file(clips, identifier):
    listen = recording.with_progress(identifier.identify)
    limits = audio.DEFAULT_LIMITS
    whole = list(recording.analyse(clips["webm"], listen, identifier.model, limits))[-1]
    *_, result = recording.analyse(clips["webm"], listen, identifier.model, limits, (10.0, 15.0))
    assert result.part
    assert result.span == pytest.approx((10.0, 15.0))
    assert whole.span == pytest.approx((0.0, whole.prediction.duration_seconds))
    assert result.prediction.language == "en"
    assert result.prediction.timeline[0]["start"] >= 10
    assert result.prediction.timeline[-1]["end"] <= 15.1
    assert result.prediction.frame_starts[0] >= 10
    assert 9 <= result.first_segment.start < 12
    with pytest.raises(InputError):
        list(recording.analyse(clips["webm"], listen, identifier.model, limits, (500.0, 600.0)))


def test_steps_hand_on_errors():
    def identify(waveform, progress):
        raise InputError("No.", "odd")

    with pytest.raises(InputError, match="No"):
        list(recording.with_progress(identify)(np.zeros(1)))


def test_steps_stop_when_nobody_waits():
    stopped = threading.Event()
    seen = threading.Event()

    def identify(waveform, progress):
        try:
            progress(0.1, "uz")
            seen.wait(60)
            progress(0.2, "uz")
        except Exception:
            stopped.set()
            raise

    steps = recording.with_progress(identify)(np.zeros(1))
    assert next(steps).share == 0.1
    steps.close()
    seen.set()
    assert stopped.wait(60)
