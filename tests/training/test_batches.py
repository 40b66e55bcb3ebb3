"""Batches: balanced, of one length, and the same again whenever and wherever they are asked for."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from lid.data.clip import Clip
from lid.data.parts import Part
from lid.training.batches import BalancedBatches, BatchOptions

RATE = 16_000
COUNTS = (60, 12, 6)  # clips of each class: as lopsided as real corpora
LANGUAGES = ("uz", "ru", "en", "kk", "tr")
USUAL = {"longest": 3.0, "speaker_cap": 40, "seed": 0}


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    labels = [label for label, count in enumerate(COUNTS) for _ in range(count)]
    waveforms = [rng.normal(0, 0.05, rng.integers(RATE, 4 * RATE)).astype(np.float32) for _ in labels]
    return part(waveforms, labels, [f"{label}-{i % 4}" for i, label in enumerate(labels)])


def part(waveforms, labels, speakers) -> Part:
    clips = [
        Clip(f"{i}.wav", None, LANGUAGES[label], speaker)
        for i, (label, speaker) in enumerate(zip(labels, speakers, strict=True))
    ]
    return Part(clips, waveforms)


def batches(corpus, **options) -> BalancedBatches:
    return BalancedBatches(corpus, [], BatchOptions(size=6, **USUAL | options), steps=20)


def test_languages_take_turns(corpus):
    for step in range(5):
        assert Counter(batches(corpus)[step]["labels"].tolist()) == {0: 2, 1: 2, 2: 2}


def test_all_rows_have_one_length_within_the_bounds(corpus):
    lengths = {batches(corpus, whole_window=0.0)[step]["mel"].shape[2] for step in range(12)}
    assert len(lengths) > 5
    assert min(lengths) >= 78
    assert max(lengths) <= 300


def test_whole_windows_are_padded_as_a_stock_pipeline_pads(corpus):
    for step in range(4):
        mel = batches(corpus, whole_window=1.0)[step]["mel"]
        assert mel.shape[2] == 300


def test_a_step_is_the_same_whenever_it_is_asked_for(corpus):
    data = batches(corpus)
    in_order = [data[step] for step in range(6)]
    resumed = list(DataLoader(Subset(batches(corpus), range(3, 6)), batch_size=None, num_workers=1))
    for expected, batch in zip(in_order[3:], resumed, strict=True):
        assert torch.equal(expected["mel"], batch["mel"])
        assert torch.equal(expected["labels"], batch["labels"])


def test_processes_share_a_batch_between_them(corpus):
    whole = batches(corpus)[2]
    options = BatchOptions(size=6, **USUAL)
    shares = [BalancedBatches(corpus, [], options, 20, process=p, processes=2)[2] for p in range(2)]
    for process, share in enumerate(shares):
        assert torch.equal(share["mel"], whole["mel"][process::2])
        assert torch.equal(share["labels"], whole["labels"][process::2])


def test_another_seed_is_another_batch(corpus):
    assert not torch.equal(
        batches(corpus, whole_window=1.0)[0]["mel"], batches(corpus, seed=1, whole_window=1.0)[0]["mel"]
    )


def test_a_prolific_speaker_counts_for_the_cap_only():
    waveforms = [np.full(RATE, 0.1 if i < 90 else -0.1, np.float32) for i in range(100)]
    speakers = ["loud"] * 90 + [f"s{i}" for i in range(10)]
    options = BatchOptions(size=4, longest=1.01, speaker_cap=10, seed=0, augmented=False)
    data = BalancedBatches(part(waveforms, [0] * 100, speakers), [], options, steps=200)
    assert data.chances[0][:90].sum() == pytest.approx(0.5)


@pytest.fixture(scope="module")
def mixed(corpus) -> Part:
    """Beside the three, a language of one clip and one of four."""
    others = part(corpus.speech[:5], [3, 4, 4, 4, 4], "abcde")
    return Part([*corpus.clips, *others.clips], [*corpus.speech, *others.speech])


def test_background_languages_have_their_share_by_the_roots_of_their_clips(mixed):
    data = BalancedBatches(mixed, [], BatchOptions(size=8, **USUAL), steps=200)
    labels = [[data._label(step, slot) for slot in range(8)] for step in range(200)]
    assert {sum(label > 2 for label in batch) for batch in labels} == {3}
    counts = Counter(label for batch in labels for label in batch)
    assert {counts[label] for label in (0, 1, 2)} == {333, 334}
    assert counts[4] / (counts[3] + counts[4]) == pytest.approx(2 / 3, abs=0.08)


def test_clean_rows_are_those_before_augmentation(corpus):
    data = batches(corpus, clean=True, whole_window=0.0)
    unchanged = batches(corpus, augmented=False, whole_window=0.0)[3]["mel"]
    assert torch.equal(data[3]["clean"], unchanged)
    assert data[3]["clean"].shape == data[3]["mel"].shape
    assert not torch.equal(data[3]["clean"], data[3]["mel"])
    assert "clean" not in batches(corpus)[3]


def test_posteriors_are_the_mean_over_the_clips_in_a_row():
    waveforms = [np.full(RATE, 0.1, np.float32), np.full(3 * RATE, 0.1, np.float32)]
    said = np.eye(2, 3, dtype=np.float16)
    options = BatchOptions(size=20, longest=2.0, shortest=1.99, speaker_cap=40, seed=0, augmented=False)
    data = BalancedBatches(part(waveforms, [0, 0], "ab"), [], options, steps=1, posteriors=said)
    found = {tuple(row) for row in data[0]["posterior"].tolist()}
    assert (0.0, 1.0, 0.0) in found  # the long clip alone
    assert found & {(0.5, 0.5, 0.0)}  # a short one, and another behind it
    assert {sum(row) for row in found} == {1.0}
