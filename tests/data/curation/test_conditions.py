"""Recording conditions: speakers recorded alike belong together, and one condition can be left out whole."""

import numpy as np

from lid.data.clip import Clip
from lid.data.curation import conditions
from lid.data.curation.measurements import Facts
from lid.data.curation.splits import Split


def corpus() -> tuple[list[Clip], list[Facts]]:
    """Twelve speakers of each of two languages, three clips each: telephones, rooms and studios in turn."""
    rng = np.random.default_rng(0)
    clips, facts = [], []
    for language in ("ru", "en"):
        for speaker in range(12):
            bandwidth, floor = ((3400, -40), (6000, -45), (8000, -70))[speaker % 3]
            for take in range(3):
                clips.append(Clip(f"{language}{speaker}-{take}.wav", b"", language, f"s{speaker}"))
                facts.append(
                    Facts(bandwidth=bandwidth + rng.normal(0, 50), floor=floor + rng.normal(0, 1), loudness=-25.0)
                )
    return clips, facts


def test_speakers_recorded_alike_share_a_condition():
    clips, facts = corpus()
    found = conditions.group(clips, facts, 3)
    for clip, condition in zip(clips, found, strict=True):
        assert condition == int(clip.speaker[1:]) % 3  # numbered from the narrowest band


def test_more_conditions_than_speakers_is_one_each():
    clips, facts = corpus()
    found = conditions.group(clips[:6], facts[:6], 5)
    assert len({(clip.speaker, condition) for clip, condition in zip(clips[:6], found, strict=True)}) == 2


def test_what_is_left_out_is_the_test_and_shares_nothing_with_training():
    clips = [Clip(f"{i}.wav", b"", "uz", f"s{i}", sentence) for i, sentence in enumerate(["bir", "ikki", "uch", "bir"])]
    split = Split(train=clips[:2], validation=clips[2:3], test=clips[3:])
    left = conditions.leave_out(split, {("uz", "s1"), ("uz", "s3")})
    assert (left.train, left.validation, left.test) == ([clips[0]], [clips[2]], [clips[1]])
    assert [(one.clip, one.reason) for one in left.dropped] == [(clips[3], "similar")]
