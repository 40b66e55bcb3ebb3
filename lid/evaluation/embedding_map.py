"""A flat picture of where clips lie: embeddings in two dimensions, with their language and recording condition."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lid.data.curation.measurements import measure
from lid.data.parts import Part, Parts
from lid.evaluation.embeddings import clip_embeddings
from lid.identify import Model

FITTED = 150  # training clips of each of the three languages: the directions come from these
SHOWN = 140  # test clips of each
HELD_OUT = 180  # clips of languages and voices held out


def draw(model: Model, parts: Parts) -> list[dict]:
    """For test clips, and for some that are held out: `x` and `y`, `language`, and `bandwidth`, the highest frequency
    in the recording, in Hz. Says nothing else of a clip.

    x and y are the two directions in which training clips of the three languages differ most beside how clips of one
    language differ among themselves (linear discriminant analysis). None of the clips shown was used to find them.
    """
    train = parts.train.sample(FITTED)
    analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto", n_components=2)
    analysis.fit(clip_embeddings(model, train.speech), train.labels)
    return [
        point for part in (parts.test.sample(SHOWN), _some(parts.held_out)) for point in _points(model, part, analysis)
    ]


def _some(part: Part) -> Part:
    """HELD_OUT clips at most, evenly spaced over the languages in order."""
    order = sorted(range(len(part)), key=lambda i: part.clips[i].language)
    return part.take(order[:: max(1, -(-len(order) // HELD_OUT))])


def _points(model: Model, part: Part, analysis: LinearDiscriminantAnalysis) -> list[dict]:
    if not len(part):
        return []
    places = np.round(analysis.transform(clip_embeddings(model, part.speech)), 2).tolist()
    return [
        {"x": x, "y": y, "language": clip.language, "bandwidth": round(measure(waveform).bandwidth, -2)}
        for (x, y), clip, waveform in zip(places, part.clips, part.speech, strict=True)
    ]
