"""Decoding: any container, rate, depth and channel count gives the same sound; what cannot be read is a sentence."""

import numpy as np
import pytest

from lid import InputError, audio
from lid.audio import SAMPLE_RATE, Limits
from tests.recordings import encoded, wav

SECONDS = 1.5


def tone(rate: int, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(SECONDS * rate)) / rate)).astype(np.float32)


def assert_is_the_tone(waveform: np.ndarray, seconds: float = SECONDS) -> None:
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert len(waveform) / SAMPLE_RATE == pytest.approx(seconds, abs=0.13)  # codecs pad to whole frames
    middle = waveform[SAMPLE_RATE // 2 : SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * SAMPLE_RATE / len(middle) == pytest.approx(440, abs=3)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000])
def test_rates(rate):
    assert_is_the_tone(audio.decode(wav(tone(rate), rate)))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_sample_formats(subtype):
    assert_is_the_tone(audio.decode(wav(tone(16_000), 16_000, subtype)))


@pytest.mark.parametrize("channels", [2, 3, 6, 8])
def test_channels_are_averaged(channels):
    assert_is_the_tone(audio.decode(wav(np.repeat(tone(16_000)[:, None], channels, axis=1), 16_000)))


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("flac", "flac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("ogg", "libopus", 48_000),
        ("mp4", "aac", 44_100),
        ("adts", "aac", 44_100),
        ("webm", "libopus", 48_000),
        ("matroska", "libmp3lame", 32_000),
        ("amr", "libopencore_amrnb", 8_000),
    ],
)
def test_containers(container, codec, rate):
    assert_is_the_tone(audio.decode(encoded([tone(SAMPLE_RATE)], container, codec, rate)))


def test_a_path_and_its_bytes_are_the_same(tmp_path):
    file = tmp_path / "no extension"
    file.write_bytes(encoded([tone(SAMPLE_RATE)], "mp3", "libmp3lame", 44_100))
    assert np.array_equal(audio.decode(file), audio.decode(file.read_bytes()))


def test_nan_and_infinity_become_silence():
    samples = tone(16_000)
    samples[100], samples[200] = np.nan, np.inf
    assert np.isfinite(audio.decode(wav(samples, 16_000, "FLOAT"))).all()


def test_what_can_be_read_of_a_damaged_file_is_returned():
    whole = encoded([tone(SAMPLE_RATE)], "ogg", "libopus", 48_000)
    recording = audio.read(whole[: len(whole) * 2 // 3])
    assert 0.3 < recording.seconds < SECONDS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"These are words, not sound.\n" * 50, "not_audio"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not_audio"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n", "not_audio"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not_audio"),
        (wav(np.zeros(1000, np.float32), 16_000), "too_short"),
        (wav(tone(1_000), 1_000), "sample_rate"),
    ],
)
def test_bad_files_are_a_sentence(data, reason):
    with pytest.raises(InputError) as error:
        audio.decode(data)
    assert error.value.reason == reason
    assert str(error.value).endswith(".")


def test_limits():
    clip = wav(tone(16_000), 16_000)
    with pytest.raises(InputError, match="longer than the limit of 1 seconds"):
        audio.decode(clip, Limits(max_seconds=1.0))
    with pytest.raises(InputError, match="MB") as error:
        audio.decode(clip, Limits(max_bytes=1000))
    assert error.value.reason == "too_large"


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(InputError) as error:
            audio.decode(path)
        assert error.value.reason == "missing"
