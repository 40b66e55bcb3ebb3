"""Leave a recording condition out: does the answer survive rooms, microphones and codecs that training never heard?

Corpora rarely say which source a clip came from, but its sound does. Speakers of one language are grouped by how their
clips were recorded (noise floor, bandwidth, loudness of speech, digital silence at the start), and whole groups are
left out, so that the test has neither the voices nor the conditions of training.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from lid.data.clip import Clip
from lid.data.curation import text
from lid.data.curation.measurements import Facts
from lid.data.curation.splits import Split, without_similar

MEASURES = ("floor", "bandwidth", "rolloff", "loudness", "lead")


def group(clips: Sequence[Clip], facts: Sequence[Facts], groups: int) -> list[int]:
    """The recording condition of each clip, 0 to `groups` - 1, by its speaker: within each language speakers are
    clustered by the mean of their clips' measures (Ward's method), and conditions numbered from narrow to wide band."""
    measured = defaultdict(list)
    for clip, one in zip(clips, facts, strict=True):
        measured[clip.language, clip.speaker].append([getattr(one, name) for name in MEASURES])
    condition: dict[tuple[str, str], int] = {}
    for language in sorted({clip.language for clip in clips}):
        speakers = sorted(speaker for of, speaker in measured if of == language)
        means = np.array([np.mean(measured[language, speaker], axis=0) for speaker in speakers])
        if len(speakers) <= groups:
            found = np.arange(len(speakers))
        else:
            found = AgglomerativeClustering(groups).fit_predict(
                (means - means.mean(axis=0)) / (means.std(axis=0) + 1e-9)
            )
        band = [means[found == k, MEASURES.index("bandwidth")].mean() for k in np.unique(found)]
        rank = np.argsort(np.argsort(band))
        condition |= {(language, speaker): int(rank[k]) for speaker, k in zip(speakers, found, strict=True)}
    return [condition[clip.language, clip.speaker] for clip in clips]


def leave_out(split: Split, voices: set[tuple[str, str]], threshold: float = text.THRESHOLD) -> Split:
    """Test on exactly the clips of these voices, (language, speaker); the rest of training and validation stay.

    Clips of the new test that resemble a sentence of the other parts are dropped.
    """

    def held(clip: Clip) -> bool:
        return (clip.language, clip.speaker) in voices

    test = [clip for part in (split.train, split.validation, split.test) for clip in part if held(clip)]
    train, validation = ([clip for clip in part if not held(clip)] for part in (split.train, split.validation))
    return without_similar(Split(train, validation, test, list(split.dropped), split.same_speaker), threshold)
