"""Augmentation: each step does what it says, and the chain is a pure function of its generator."""

import numpy as np
import pytest

from lid import audio
from lid.data import augment
from tests.conftest import EXAMPLES

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return audio.decode(EXAMPLES / "uzbek.mp3")[: 3 * RATE]


def rms(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.square(waveform).mean()))


def test_a_warped_mel_axis_moves_what_is_high_and_keeps_what_is_low():
    mel = np.zeros((80, 3), np.float32)
    mel[0], mel[50, 1] = 1.0, 1.0
    drawn = [augment.warp(mel, np.random.default_rng(seed)) for seed in range(200)]
    assert 70 < sum(np.array_equal(one, mel) for one in drawn) < 130  # half of them
    peaks = [int(one[10:, 1].argmax()) + 10 for one in drawn]
    assert (min(peaks), max(peaks)) == (45, 57)  # 50 / 1.12 and 50 / 0.88
    assert all((one[0] == 1.0).all() and one.dtype == np.float32 for one in drawn)
    assert all(one[:, 0][5:].max() == 0.0 for one in drawn)


@pytest.mark.parametrize("row", augment.CODECS, ids=lambda row: f"{row[1]}-{row[2]}")
def test_codecs_keep_length_and_speech(spoken, row):
    container, codec, rate, (low, _) = row
    heard = augment.through_codec(spoken, container, codec, rate, low)
    assert len(heard) == len(spoken)
    assert not np.array_equal(heard, spoken)
    before, after = (np.abs(w[: len(w) // 320 * 320]).reshape(-1, 320).mean(axis=1) for w in (spoken, heard))
    delays = range(8)  # frames of 20 ms
    assert max(np.corrcoef(before[: len(before) - d], after[d:])[0, 1] for d in delays) > 0.8


def test_noise_has_the_ratio_asked_for(spoken):
    rng = np.random.default_rng(0)
    noisy = augment.add_noise(spoken, augment.draw_noise(len(spoken), rng), 10.0)
    assert 20 * np.log10(rms(spoken) / rms(noisy - spoken)) == pytest.approx(10.0, abs=0.01)


def test_recorded_noise_is_repeated_to_length():
    recording = np.arange(1, 101, dtype=np.float32)
    drawn = [augment.draw_noise(1000, np.random.default_rng(seed), [recording]) for seed in range(10)]
    assert {len(noise) for noise in drawn} == {1000}
    assert any(set(noise.tolist()) == set(recording.tolist()) for noise in drawn)


def test_level_is_set_without_clipping(spoken):
    assert 20 * np.log10(rms(augment.set_level(spoken, -30.0))) == pytest.approx(-30.0, abs=0.01)
    assert np.abs(augment.set_level(spoken, 0.0)).max() <= 1.0


def test_speed_changes_the_length(spoken):
    assert len(augment.change_speed(spoken, 1.1)) == pytest.approx(len(spoken) / 1.1, rel=0.001)


def test_bandwidth_is_limited(spoken):
    narrow = augment.limit_bandwidth(spoken, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(narrow)) ** 2
    assert power[int(len(power) * 7.3 / 8) :].sum() < 1e-3 * power.sum()
    assert len(narrow) == len(spoken)


def test_the_chain_repeats_itself_and_stays_in_range(spoken):
    for seed in range(12):
        once, again = (augment.augment(spoken, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(once, again)
        assert once.dtype == np.float32
        assert np.abs(once).max() <= 1.0
        assert len(once) >= len(spoken) / augment.LONGEST_STRETCH - 1


def test_mask_hides_bands_and_moments():
    mel = np.random.default_rng(0).normal(size=(80, 300)).astype(np.float32)
    hidden = 0
    for seed in range(20):
        masked = mel.copy()
        augment.mask(masked, np.random.default_rng(seed))
        hidden += (masked != mel).mean()
    assert 0.02 < hidden / 20 < 0.5


def test_a_clip_takes_on_the_colour_of_another(spoken):
    rng = np.random.default_rng(0)
    dull = augment.colour(augment.limit_bandwidth(spoken[::-1], rng), rng)

    def bands(waveform: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(waveform, 1 << 16)) ** 2
        edges = np.geomspace(200, 7000, 12) / RATE * (1 << 16)
        return 10 * np.log10(np.add.reduceat(power, edges.astype(int))[:-1] / power.sum())

    dressed = augment.colour_like(spoken, dull)
    assert len(dressed) == len(spoken)
    assert np.abs(bands(dressed) - bands(dull)).mean() < 0.5 * np.abs(bands(spoken) - bands(dull)).mean()
