"""Several workers answer a long recording as one would."""

import numpy as np
import pytest

from lid import audio
from lid.audio import Recording
from lid.batch import sharing
from lid.batch.sharing import Part, Shelf
from tests.conftest import EXAMPLES

PAUSE = np.zeros(2 * audio.SAMPLE_RATE, np.float32)


@pytest.fixture(scope="module")
def voices() -> list[np.ndarray]:
    return [audio.decode(EXAMPLES / name) for name in ("uzbek.mp3", "russian.ogg", "english.m4a")]


@pytest.mark.parametrize("channels", [1, 2])
def test_the_parts_make_what_one_worker_says(identifier, voices, channels):
    length = 40 * audio.SAMPLE_RATE
    sounds = [np.resize(np.concatenate([voice, PAUSE]), length) for voice in voices[:channels]]
    recording = Recording(tuple(sounds))
    alone = identifier.identify(recording)
    heard = [sharing.hear(identifier, recording, number, 3) for number in range(3)]
    assert all(heard)
    assert sum(map(len, heard)) == len(set().union(*heard))  # no window twice
    together = sharing.answer(identifier, recording, [Part(windows) for windows in heard])
    assert together.to_dict() == alone.to_dict()
    assert np.array_equal(together.frame_logits, alone.frame_logits)


def test_a_window_that_no_part_has_is_heard_at_last(identifier, voices):
    recording = Recording((np.resize(voices[0], 25 * audio.SAMPLE_RATE),))
    assert sharing.answer(identifier, recording, []).to_dict() == identifier.identify(recording).to_dict()


def test_one_part_answers_also_when_it_or_another_comes_again():
    shelf, parts = Shelf(), [Part({number: None}) for number in range(3)]
    assert shelf.put(b"a", 0, 3, parts[0]) is None
    assert shelf.put(b"b", 1, 2, parts[1]) is None
    assert shelf.put(b"a", 2, 3, parts[2]) is None
    assert shelf.put(b"a", 0, 3, parts[0]) is None  # its worker was lost after it was put
    assert sorted(next(iter(one.windows)) for one in shelf.put(b"a", 1, 3, parts[1])) == [0, 1, 2]
    assert shelf.put(b"a", 2, 3, parts[2]) is None
    assert len(shelf.put(b"a", 1, 3, parts[1])) == 3
