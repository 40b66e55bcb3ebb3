"""Numbers of another scale than [-1, 1]."""

import numpy as np
import pytest

from lid import audio
from tests.recordings import stereo, voice, wav


def shape(waveform: np.ndarray) -> np.ndarray:
    return waveform / np.abs(waveform).max()


@pytest.mark.parametrize("full_scale", [2**15, 2**23, 2**31, 100.0])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_that_hold_other_numbers_are_scaled(full_scale, subtype):
    english = voice("en")
    waveform = audio.decode(wav(english.astype(np.float64) * full_scale, subtype=subtype))
    assert np.abs(waveform).max() <= 1
    assert np.corrcoef(waveform, english)[0, 1] > 0.999


def test_both_channels_are_scaled_alike():
    english = voice("en")
    recording = audio.read(wav(stereo(english, -english) * 2**15, subtype="FLOAT"))
    assert recording.channels.kind == "opposite"
    assert np.corrcoef(recording.waveform, english)[0, 1] > 0.999


def test_integers_of_16_bits_in_32_are_scaled():
    english = voice("en")
    waveform = audio.decode(wav((english * 32767).astype(np.int32), subtype="PCM_32"))
    assert np.allclose(waveform, english, atol=1e-3)


def test_a_recording_of_the_right_scale_stays_as_it_is():
    english = shape(voice("en"))
    loud = english.copy()
    loud[1000] = 1e9  # a single sample out of bounds
    loud[5000:5010] = 1.5
    waveform = audio.decode(wav(loud, subtype="FLOAT"))
    good = np.ones(len(english), bool)
    good[1000] = good[5000:5010] = False
    assert np.allclose(waveform[good], english[good], atol=1e-6)


def test_a_second_of_rubbish_does_not_silence_the_rest():
    english = voice("en", 6)
    spoilt = english.copy()
    spoilt[32_000:48_000] = 1e20
    waveform = audio.decode(wav(spoilt, subtype="FLOAT"))
    assert np.allclose(waveform[:31_000], english[:31_000], atol=1e-6)
