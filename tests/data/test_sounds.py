"""Sounds without speech."""

import numpy as np
import pytest

from lid.data import sounds
from lid.errors import InputError
from tests.conftest import EXAMPLES


def test_music_is_sound_without_clipping():
    music = sounds.music(2.0, np.random.default_rng(0))
    assert music.shape == (32_000,)
    assert np.abs(music).max() == 1.0


def test_recordings_of_a_folder_come_in_the_order_of_their_names(tmp_path):
    assert sounds.load_noises(None) == []
    for name in ("b.ogg", "a.ogg", ".hidden"):
        (tmp_path / name).write_bytes((EXAMPLES / "russian.ogg").read_bytes() if name != ".hidden" else b"")
    assert [noise.dtype for noise in sounds.load_noises(tmp_path)] == [np.float32, np.float32]


def test_a_folder_without_recordings_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no recordings"):
        sounds.load_noises(tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        sounds.load_noises(tmp_path / "nowhere")
