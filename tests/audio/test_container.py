"""Which track is taken, what a file says of its length, and which containers are read."""

import os

import numpy as np
import pytest
from scipy.signal import correlate

from lid import InputError, audio
from lid.audio import FORMATS_IN_WORDS, SAMPLE_RATE, Track
from lid.data.clip import Clip
from lid.data.curation import quality
from lid.ui import texts, wording
from tests.conftest import EXAMPLES
from tests.recordings import cut_short, encoded, gsm, hiss, patched, silence, sphere, voice, wav

PAUSE_FIRST = np.concatenate([silence(1.5), voice("uz", 5)])


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two waveforms at the best lag, because codecs delay."""
    return correlate(one, other).max() / np.sqrt(np.sum(one**2) * np.sum(other**2))


def is_whole(data: bytes) -> bool:
    """What the page and training say; they say the same."""
    recording = audio.read(data)
    short = recording.declared_seconds is not None and recording.seconds < 0.9 * recording.declared_seconds
    dropped = quality.check([Clip("clip", data, "uz")], progress=False).dropped
    assert [one.reason for one in dropped if one.reason == "truncated"] == ["truncated"] * (recording.damaged or short)
    return not (recording.damaged or short)


def test_the_default_track_is_heard():
    uzbek, russian = voice("uz"), voice("ru")
    recording = audio.read(encoded([russian, uzbek], "mp4", "aac", default=1))
    assert recording.track == Track(2, 2)
    assert alike(recording.waveform, uzbek) > 0.9


@pytest.mark.parametrize("first", [silence(5), hiss(5 * SAMPLE_RATE, 0.05)], ids=["silence", "hiss"])
def test_the_track_with_speech_is_heard(first):
    uzbek = voice("uz")
    recording = audio.read(encoded([first, first, uzbek], "matroska", "libopus", 48_000))
    assert recording.track == Track(3, 3)
    assert alike(recording.waveform, uzbek) > 0.9


def test_without_speech_the_default_track_stays():
    assert audio.read(encoded([silence(2), silence(3)], "mp4", "aac")).track == Track(1, 2)


def test_a_track_in_an_unknown_codec_is_passed_over():
    data = patched(encoded([voice("ru"), voice("uz")], "matroska", "libopus", 48_000), b"A_OPUS", b"A_NEXT")
    recording = audio.read(data)
    assert recording.track == Track(2, 2)
    assert alike(recording.waveform, voice("uz")) > 0.9
    with pytest.raises(InputError, match="cannot be read here"):
        audio.read(patched(encoded([voice("ru")], "matroska", "libopus", 48_000), b"A_OPUS", b"A_NEXT"))


def test_a_stream_may_turn_up_on_the_way():
    broadcast = encoded([voice("uz")], "mpegts", "aac") + encoded([voice("ru"), voice("ru")], "mpegts", "mp2")
    assert alike(audio.decode(broadcast)[: 5 * SAMPLE_RATE], voice("uz")) > 0.8


def test_one_track_is_no_choice():
    assert audio.read(EXAMPLES / "uzbek.mp3").track is None


@pytest.mark.parametrize(
    ("container", "codec", "options", "codec_options"),
    [
        ("mp3", "libmp3lame", {"write_xing": "0"}, {"q": "4", "flags": "+qscale", "global_quality": "472"}),
        ("adts", "aac", {}, {"b": "64000"}),
        ("mp3", "libmp3lame", {}, {}),
        ("mp4", "aac", {}, {}),
    ],
    ids=["VBR MP3 without Xing", "ADTS", "MP3", "MP4"],
)
def test_a_guessed_length_is_no_declaration(container, codec, options, codec_options):
    assert is_whole(encoded([PAUSE_FIRST], container, codec, options=options, codec_options=codec_options))


@pytest.mark.parametrize(("container", "codec", "rate"), [("ogg", "libopus", 48_000), ("mpegts", "aac", 16_000)])
def test_time_stamps_may_begin_late(container, codec, rate):
    assert is_whole(encoded([voice("uz")], container, codec, rate, late=5000.0))


def test_a_seam_between_mp3s_is_no_damage():
    uzbek, english = (EXAMPLES / "uzbek.mp3").read_bytes(), encoded([voice("en")], "mp3", "libmp3lame")
    for first in (uzbek, uzbek[:20_011], uzbek + b"TAG" + bytes(125)):
        assert is_whole(first + english)


def test_what_is_missing_is_missing(tmp_path):
    mp3, mp4 = (EXAMPLES / "uzbek.mp3").read_bytes(), encoded([voice("uz")], "mp4", "aac", 16_000)
    index_first = mp4[: mp4.index(b"mdat") - 4]  # the index stands last and speaks of places in the whole file
    assert b"moov" not in index_first
    for data in (mp3, mp4, wav(voice("uz"))):
        assert is_whole(data)
    assert not is_whole(cut_short(mp3))
    assert not is_whole(mp3[:15_000] + mp3[17_000:])


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("asf", "wmav1", 16_000),
        ("asf", "wmav2", 44_100),
        ("avi", "libmp3lame", 16_000),
        ("avi", "pcm_s16le", 16_000),
        ("mpegts", "aac", 16_000),
        ("mpegts", "mp2", 16_000),
        ("flv", "libmp3lame", 22_050),
        ("flv", "aac", 44_100),
    ],
)
def test_containers_of_dictaphones_and_cameras(container, codec, rate):
    data = encoded([voice("ru")], container, codec, rate)
    assert alike(audio.decode(data), voice("ru")) > 0.8
    assert is_whole(data)


def test_containers_of_telephone_systems_and_corpora():
    assert np.allclose(audio.decode(sphere(voice("ru"))), voice("ru"), atol=1e-3)
    assert len(audio.decode(gsm(100))) == pytest.approx(2 * SAMPLE_RATE, abs=200)


def test_a_film_longer_than_its_sound_is_whole(tmp_path):
    """A container lasts as long as its longest stream."""
    import av

    for container in ("matroska", "asf"):
        file = tmp_path / container
        with av.open(file, "w", format=container) as output:
            picture = output.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p")
            sound = output.add_stream("libmp3lame", rate=16_000, layout="mono")
            for number in range(200):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="rgb24")
                output.mux(picture.encode(frame))
            pcm = (voice("uz") * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            frame.sample_rate = 16_000
            resampler = av.AudioResampler(sound.format, "mono", 16_000, sound.frame_size)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                output.mux(sound.encode(piece))
            output.mux(picture.encode(None))
            output.mux(sound.encode(None))
        assert is_whole(file.read_bytes())
        assert alike(audio.decode(file), voice("uz")) > 0.9


@pytest.mark.parametrize(
    ("head", "name"), [(b".RMF\0\0\0\x12", "RealMedia"), (b"\x02dss", "DSS"), (b"#!SILK_V3", "SILK")]
)
def test_formats_that_are_not_read_are_named(head, name):
    with pytest.raises(InputError, match=name) as caught:
        audio.decode(head + bytes(2000))
    assert FORMATS_IN_WORDS in str(caught.value)


def test_names_that_cannot_be_opened_are_a_sentence(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    for path in (tmp_path / ("x" * 300 + ".wav"), tmp_path / "x\0.wav"):
        with pytest.raises(InputError):
            audio.decode(path)
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xf0\xf3\xf1.wav")
    with open(name, "wb") as file:
        file.write(wav(voice("uz")))
    assert len(audio.decode(name))


def test_the_list_of_formats_is_the_same_everywhere():
    assert FORMATS_IN_WORDS in " ".join((EXAMPLES.parents[1] / "README.md").read_text(encoding="utf-8").split())
    with pytest.raises(InputError, match=FORMATS_IN_WORDS):
        audio.decode(b"words, no sound" * 100)
    assert FORMATS_IN_WORDS in wording.limits_note(texts.ENGLISH, audio.DEFAULT_LIMITS)
