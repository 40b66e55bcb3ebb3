"""The page in the browser says what Python says, to the files that people send."""

import csv
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lid import audio
from lid.ui import table
from lid.verdict import is_damaged
from tests import recordings
from tests.browser.voices import CODECS, EXAMPLES, encode, voice
from tests.web import pages

pytestmark = pytest.mark.browser

SAME = 0.02  # of a probability, where both get the same samples
ALIKE = 0.05  # where each has its own decoder: of Opus, they differ by a fraction of a sample
NAMES = ("uzbek.mp3", "russian.ogg", "english.m4a", "uzbek-then-english.webm")
CORPUS = os.environ.get("LID_TEST_CORPUS", "")  # a folder of real speech in Common Voice's layout, language by language


def test_thirty_clips(page, python, tmp_path):
    clips = list(_made(tmp_path))
    assert len(clips) >= 30
    for clip, (here, there) in _both(page, python, clips).items():
        _compare(clip, here, there, SAME if clip.suffix == ".wav" else ALIKE)


def test_real_speech(page, python):
    if not Path(CORPUS).is_dir() or not CORPUS:
        pytest.skip("no real speech to compare on: set LID_TEST_CORPUS to a folder of Common Voice's layout")
    draw = random.Random(0)
    clips = []
    for language, count in (("uz", 10), ("ru", 10), ("en", 10), ("tr", 3), ("fa", 3), ("uk", 3)):
        files = sorted(path for path in Path(CORPUS, language, "clips").iterdir() if path.stat().st_size > 3000)
        clips += draw.sample(files, min(count, len(files)))
    differ = 0
    for clip, (here, there) in _both(page, python, clips).items():
        differ += here["verdict"] != there["verdict"]
        _compare(clip, {**here, "verdict": ""}, {**there, "verdict": ""}, ALIKE)
    assert differ <= 1  # whose score is on the threshold


@pytest.mark.parametrize("kind", ["two", "opposite", "one", "same"])
def test_two_channels(page, python, tmp_path, kind):
    left, right = (voice(code)[: 5 * audio.SAMPLE_RATE] for code in ("uz", "ru"))
    channels = {
        "two": [np.pad(left, (0, len(right))), np.pad(right, (len(left), 0))],
        "opposite": [left, -left],
        "one": [left, np.zeros_like(left)],
        "same": [left, left],
    }[kind]
    clip = tmp_path / "call.wav"
    soundfile.write(clip, np.stack(channels, axis=1), audio.SAMPLE_RATE)
    pages.drop(page, clip)
    here, there = pages.copied_json(page), python.identify(audio.read(clip)).to_dict()
    assert here.keys() == there.keys()
    assert here.get("channels") == there.get("channels")
    assert (here["verdict"], here["languages"]) == (there["verdict"], there["languages"])
    assert here["probabilities"] == pytest.approx(there["probabilities"], abs=SAME)
    assert here["speech_seconds"] == pytest.approx(there["speech_seconds"], abs=0.05)
    assert [speaker["language"] for speaker in here.get("speakers", [])] == [
        speaker["language"] for speaker in there.get("speakers", [])
    ]
    assert [entry["start"] for entry in here["timeline"]] == pytest.approx(
        [entry["start"] for entry in there["timeline"]], abs=0.02
    )


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000])
def test_other_rates(page, python, tmp_path, rate):
    clip = encode(voice("en"), tmp_path / "voice.wav", "pcm_s16le", rate)
    pages.drop(page, clip)
    there = python.identify(audio.read(clip)).to_dict()
    assert pages.copied_json(page)["probabilities"] == pytest.approx(there["probabilities"], abs=SAME)


def test_the_track_in_which_somebody_speaks(page, python, tmp_path):
    clip = tmp_path / "tracks.mp4"
    clip.write_bytes(recordings.encoded([recordings.silence(4.0), voice("ru")[: 4 * audio.SAMPLE_RATE]], "mp4", "aac"))
    pages.drop(page, clip)
    assert pages.copied_json(page)["track"] == {"number": 2, "of": 2}


def _made(folder: Path) -> Iterator[Path]:
    """The examples; their speech whole, cut, quiet, noisy, narrow, and in every container; two without speech."""
    yield from (EXAMPLES / name for name in NAMES)
    draw = np.random.default_rng(0)
    for code in ("uz", "ru", "en"):
        speech = voice(code)
        yield encode(speech, folder / f"{code}-whole.wav", "pcm_s16le", audio.SAMPLE_RATE)
        yield encode(speech[: 2 * audio.SAMPLE_RATE], folder / f"{code}-short.wav", "pcm_s16le", audio.SAMPLE_RATE)
        yield encode(0.01 * speech, folder / f"{code}-quiet.wav", "pcm_s16le", audio.SAMPLE_RATE)
        noisy = 0.7 * speech + draw.normal(0, 0.02, len(speech)).astype(np.float32)
        yield encode(np.clip(noisy, -1, 1), folder / f"{code}-noisy.wav", "pcm_s16le", audio.SAMPLE_RATE)
        yield encode(speech, folder / f"{code}-narrow.wav", "pcm_s16le", 8_000)
        for ending in ("flac", "mp3", "ogg", "m4a"):
            yield encode(speech, folder / f"{code}.{ending}", *CODECS[ending])
    yield encode(np.tile(np.concatenate([voice("uz"), voice("en")]), 2), folder / "long.wav", "pcm_s16le", 16_000)
    for name, sound in (("silence", np.zeros(64_000)), ("hiss", draw.normal(0, 0.1, 64_000))):
        yield encode(np.clip(sound, -1, 1).astype(np.float32), folder / f"{name}.wav", "pcm_s16le", 16_000)


def _both(page, python, clips: list[Path]) -> dict[Path, tuple[dict, dict]]:
    """By clip: the row of the page's table, and of Python's."""
    rows = []
    for clip in clips:
        recording = audio.read(clip)
        rows.append(table.Row(clip.name, python.identify(recording), is_damaged(recording)))
    there = list(csv.DictReader(io.StringIO(table.as_csv(rows).removeprefix("\ufeff"))))
    return dict(zip(clips, zip(pages.table(page, clips), there, strict=True), strict=True))


def _compare(clip: Path, here: dict, there: dict, tolerance: float) -> None:
    for column in ("file", "error", "verdict", "languages", "damaged", "sounds_like"):
        if column != "sounds_like" or here["verdict"]:
            assert here[column] == there[column], (clip, column, here, there)
    for column in ("uz", "ru", "en"):
        one, other = (float(row[column] or "nan") for row in (here, there))  # several languages have none
        assert one == pytest.approx(other, abs=tolerance, nan_ok=True), (clip, here, there)
    assert float(here["duration_seconds"]) == pytest.approx(float(there["duration_seconds"]), abs=0.1), clip
    assert float(here["speech_seconds"]) == pytest.approx(float(there["speech_seconds"]), abs=0.2), clip
