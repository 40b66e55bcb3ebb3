"""The graph that is served and the model that was trained say the same, of synthetic clips through many channels, and
of recorded test clips where there are some."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from lid import LanguageIdentifier, audio, verdict
from lid.evaluation.evaluate import CHANNELS
from lid.languages import CODES
from lid.model import whisper
from lid.model.open_set import OpenSetDetector
from tests.conftest import EXAMPLES, MODEL, ROOT

CORPUS = Path(os.environ.get("LID_CORPUS") or ROOT.parent / "shared" / "corpus")  # folders in Common Voice's layout
CLIPS = 20  # test clips of each language


@pytest.fixture(scope="module")
def trained() -> LanguageIdentifier:
    """The checkpoint in PyTorch, in float32, with the detector that was fitted."""
    model = whisper.TorchModel(whisper.load(Path(MODEL)))
    return LanguageIdentifier(model, "PyTorch", OpenSetDetector.load(MODEL))


def compare(served: LanguageIdentifier, trained: LanguageIdentifier, clips: list[np.ndarray]) -> np.ndarray:
    """The largest change of a probability in each clip. Verdicts must be equal, but where PyTorch's own one hangs by a
    thread."""
    changes = []
    for clip in clips:
        graph, pytorch = served.identify(clip), trained.identify(clip)
        changes.append(max(abs(graph.probabilities[code] - pytorch.probabilities[code]) for code in CODES))
        one, other = verdict.decide(graph), verdict.decide(pytorch)
        if (one.kind, one.languages) != (other.kind, other.languages):
            near = abs(max(pytorch.probabilities.values()) - verdict.SURE) < 0.1
            near |= abs(pytorch.known_score - served.detector.threshold) < 0.3
            assert near, (graph.to_dict(), pytorch.to_dict())
    return np.array(changes)


@pytest.mark.parametrize("name", ["uzbek.mp3", "russian.ogg", "english.m4a"])
def test_synthetic_clips_through_every_channel(identifier, trained, name):
    clip = audio.decode(EXAMPLES / name)
    copies = [channel(clip, np.random.default_rng(i)) for i, channel in enumerate(CHANNELS.values())]
    changes = compare(identifier, trained, [copy.astype(np.float32) for copy in copies])
    assert changes.mean() < 0.02
    assert changes.max() < 0.1


def test_recorded_test_clips(identifier, trained):
    if not CORPUS.is_dir():
        pytest.skip(f"no recorded clips at {CORPUS}: set LID_CORPUS to folders in Common Voice's layout")
    with (Path(MODEL) / "split.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["part"] == "test"]
    chosen = [
        CORPUS / code / "clips" / row["path"]
        for code in CODES
        for row in [row for row in rows if row["language"] == code][::8][:CLIPS]
    ]
    clips = [audio.decode(path) for path in chosen if path.is_file()]
    assert len(clips) > CLIPS, f"{CORPUS} holds hardly any of the test clips"
    changes = compare(identifier, trained, clips)
    assert changes.mean() < 0.005
    assert np.quantile(changes, 0.9) < 0.02
