"""What two channels are: the same, opposite, one that can be used, or two speakers."""

import numpy as np
import pytest

from lid import audio
from lid.audio import SAMPLE_RATE
from tests.recordings import encoded, hiss, silence, stereo, voice, wav

LEAK = 10 ** (-25 / 20)


def kind(left: np.ndarray, right: np.ndarray) -> tuple[str, tuple[int, ...]]:
    channels = audio.read(wav(stereo(left, right), subtype="FLOAT")).channels
    return channels.kind, channels.heard


def delayed(sound: np.ndarray, samples: int) -> np.ndarray:
    return np.concatenate([np.zeros(samples, np.float32), sound])


@pytest.fixture(scope="module")
def uz() -> np.ndarray:
    return voice("uz", 6)


@pytest.fixture(scope="module")
def ru() -> np.ndarray:
    return voice("ru", 6)


def test_one_channel_has_no_channels(uz):
    assert audio.read(wav(uz)).channels is None


@pytest.mark.parametrize(
    "right",
    [
        lambda uz: uz,
        lambda uz: uz / 4,
        lambda uz: delayed(uz, 40),
        lambda uz: uz + hiss(len(uz), 0.003),
    ],
    ids=["identical", "quieter", "later", "noise of its own"],
)
def test_the_same(uz, right):
    recording = audio.read(wav(stereo(uz, right(uz)), subtype="FLOAT"))
    assert recording.channels.kind == "same"
    mean = stereo(uz, right(uz)).mean(axis=1)
    assert np.allclose(recording.waveform, mean, atol=1e-6)


def test_opposite_phase_is_not_cancelled(uz):
    for data in (wav(stereo(uz, -uz)), encoded([stereo(uz, -uz / 2)], "mp3", "libmp3lame", 44_100)):
        recording = audio.read(data)
        assert recording.channels.kind == "opposite"
        assert np.abs(recording.waveform).max() > 0.5 * np.abs(uz).max()
    assert kind(uz, -delayed(uz, 3)[: len(uz)])[0] == "opposite"


@pytest.mark.parametrize(
    "other",
    [
        lambda uz: np.zeros_like(uz),
        lambda uz: hiss(len(uz), 0.2),
        lambda uz: hiss(len(uz), 0.01),
        lambda uz: uz + hiss(len(uz), 0.2),
        lambda uz: (0.3 * np.sin(2 * np.pi * 50 * np.arange(len(uz)) / SAMPLE_RATE)).astype(np.float32),
    ],
    ids=["silence", "hiss", "faint hiss", "a noisy copy", "hum"],
)
def test_the_clean_channel_alone_is_heard(uz, other):
    assert kind(uz, other(uz)) == ("one", (1,))
    assert kind(other(uz), uz) == ("one", (2,))
    waveform = audio.decode(wav(stereo(uz, other(uz)), subtype="FLOAT"))
    assert np.allclose(waveform, uz, atol=1e-6)


def test_two_speakers_at_once_and_in_turn(uz, ru):
    assert kind(uz, ru) == ("two", (1, 2))
    turns = np.concatenate([uz, silence(6)]), np.concatenate([silence(6), ru / 10])
    assert kind(*turns) == ("two", (1, 2))
    recording = audio.read(wav(stereo(uz, ru), subtype="FLOAT"))
    assert np.allclose(recording.sounds[0][: len(uz)], uz, atol=1e-6)
    assert np.allclose(recording.sounds[1][: len(ru)], ru, atol=1e-6)
    assert np.allclose(recording.waveform, stereo(uz, ru).mean(axis=1), atol=1e-6)


def test_what_leaks_into_the_other_channel_is_muted(uz, ru):
    left = np.concatenate([uz, ru * LEAK])
    right = np.concatenate([uz * LEAK, ru])
    recording = audio.read(wav(stereo(left, right), subtype="FLOAT"))
    assert recording.channels.kind == "two"
    first, second = recording.sounds
    assert np.sum(second[: len(uz)] ** 2) < 0.1 * np.sum((uz * LEAK) ** 2)
    assert np.sum(first[len(uz) :] ** 2) < 0.1 * np.sum((ru * LEAK) ** 2)
    assert np.mean(np.abs(first[: len(uz)] - uz) < 1e-6) > 0.9


def test_silence_and_hiss_in_both_are_nothing_to_choose(uz):
    assert kind(silence(3), silence(3))[0] == "same"
    noise = np.random.default_rng(1).normal(0, 0.05, (2, len(uz))).astype(np.float32)
    assert kind(*noise)[0] == "same"
