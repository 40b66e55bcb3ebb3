"""The worst files each end in sound or a sentence, within bounds, and a short run of the fuzzer finds nothing."""

import contextlib

import numpy as np
import pytest

from benchmarks import fuzz
from lid import InputError, audio
from lid.audio import samples as sampling
from tests import hostile

SOUND = {
    "8 planar channels": 2.4,
    "255 channels": 1.2,
    "255 channels of PCM": 0.3125,
    "NaN and infinity": 1.0,
    "far too loud": 1.0,
    "chunk of 4 GB": 1.0,
    "16 tracks of hiss": 1.0,
}
REASONS = {
    "M4A index of 2 GB": "unreadable",
    "M4A whose sound lies in other files": "too_short",
    "packets without sound": "unreadable",
    "packets that cannot be decoded": "unreadable",
    "block of no bytes": "unreadable",
    "24 hours of silence": "too_long",
}
LIMITS = audio.Limits(max_seconds=60.0)  # a sixtieth of the hour, and of the time it takes to see that it is too much


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return hostile.files()


@pytest.mark.parametrize("name", SOUND)
def test_what_can_be_heard_is(files, name):
    waveform = audio.decode(files[name], LIMITS)
    assert len(waveform) / audio.SAMPLE_RATE == pytest.approx(SOUND[name], abs=0.05)
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() <= 1


def test_the_rest_is_a_sentence(files):
    reasons = {}
    for name in files.keys() - SOUND:
        with pytest.raises(InputError, match=r"\.$") as caught:
            audio.decode(files[name], LIMITS)
        reasons[name] = caught.value.reason
    assert {name: reason for name, reason in reasons.items() if reason != "not_audio"} == REASONS


def test_what_costs_minutes_or_gigabytes_ends_within_bounds():
    """The likes of them, small; benchmarks/security.py takes the time of the large ones."""
    for data in hostile.costly(0.005).values():
        with contextlib.suppress(InputError):
            assert audio.read(data, LIMITS).seconds <= LIMITS.max_seconds


def test_channels_beyond_the_eighth_are_heard_too():
    """Ten channels of which the last alone has sound, planar, as most decoders give them."""
    from av import AudioFrame, AudioResampler

    times = np.arange(4800) / 48_000
    samples = np.zeros((4800, 10), np.int16)
    samples[:, 9] = 30_000 * np.sin(2 * np.pi * 440 * times)
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="10 channels")
    frame.sample_rate = 48_000
    (planar,) = AudioResampler("s16p").resample(frame)
    array = sampling._array(planar)
    assert array.shape == (10, 4800)
    assert np.array_equal(array[9], samples[:, 9])
    assert not array[:9].any()


def test_a_short_run_of_the_fuzzer_finds_nothing(files):
    originals = [*fuzz.valid_files().values(), *(data for data in files.values() if len(data) < 50_000)]
    results = fuzz.run({f"case {number}": number for number in range(200)}, [fuzz.Worker(originals, fuzz.can_seal())])
    assert fuzz.find_failures(results) == {}
    assert {"decoded", "not_audio"} < {result for result, _, _ in results.values()}


@pytest.mark.skipif(not fuzz.can_seal(), reason="seccomp's numbers are known for x86-64 Linux only")
def test_the_fuzzer_notices_an_opened_file():
    assert fuzz.Worker([], sealed=True).decode("open")[0] == "TOUCHED"
