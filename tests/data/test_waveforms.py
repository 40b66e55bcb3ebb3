"""Decoded speech on disk."""

import numpy as np

from lid import audio
from lid.data import waveforms
from lid.data.clip import Clip
from tests.conftest import EXAMPLES

NAMES = ("uzbek.mp3", "russian.ogg", "english.m4a")


def rows() -> list[Clip]:
    return [Clip(name, (EXAMPLES / name).read_bytes(), "uz") for name in NAMES]


def test_speech_comes_back_as_it_was_decoded(tmp_path):
    speech = waveforms.prepare(rows(), tmp_path, progress=False)
    assert len(speech) == len(NAMES)
    for index, clip in enumerate(rows()):
        expected = waveforms.trim(audio.decode(clip.audio))
        assert len(speech[index]) == len(expected)
        np.testing.assert_allclose(speech[index], expected, atol=1e-4)


def test_a_second_run_decodes_nothing_and_other_clips_are_another_file(tmp_path):
    waveforms.prepare(rows(), tmp_path, progress=False)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    waveforms.prepare(rows(), tmp_path, progress=False)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before
    waveforms.prepare(rows()[:2], tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 4


def test_trimming_cuts_silence_and_keeps_clips_without_speech():
    silence = np.zeros(32_000, np.float32)
    spoken = audio.decode(EXAMPLES / "uzbek.mp3")
    assert len(waveforms.trim(np.concatenate([silence, spoken, silence]))) < len(spoken) + 16_000
    assert len(waveforms.trim(silence)) == len(silence)
