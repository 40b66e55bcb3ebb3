"""Other Whispers than the embedded one: each width, number of heads and mel bins loads, trains, serves and agrees.

Weights are random, and of the layers, which are alike, there are two: what differs between Whispers is all there.
"""

import importlib.util

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    WhisperConfig,
    WhisperForAudioClassification,
)

from lid import LanguageIdentifier, audio
from lid.data.clip import Clip
from lid.data.parts import Part
from lid.languages import CODES
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from lid.training import loop
from lid.training.batches import BalancedBatches, BatchOptions
from lid.training.config import Optimisation
from tests.conftest import EXAMPLES

SHAPES = {  # width, heads, mel bins
    "small": (768, 12, 80),
    "medium": (1024, 16, 80),
    "large-v3 and large-v3-turbo": (1280, 20, 128),
}
SECONDS = 2


@pytest.fixture(scope="module", params=SHAPES)
def trained(request, tmp_path_factory):
    """A checkpoint of this shape after two steps."""
    width, heads, mels = SHAPES[request.param]
    folder = tmp_path_factory.mktemp("shape")
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=width,
        encoder_layers=2,
        encoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_layers=1,
        num_mel_bins=mels,
        max_source_positions=1500,
    )
    WhisperForAudioClassification(config).save_pretrained(folder / "base")
    names = ("uzbek.mp3", "russian.ogg", "english.m4a")
    speech = [audio.decode(EXAMPLES / name)[8_000:72_000] for name in names]
    part = Part([Clip("", None, code, code) for code in CODES], speech)
    model = checkpoint.add_lora(checkpoint.load_base(str(folder / "base"), SECONDS), rank=4, dropout=0.0)
    drawn = BatchOptions(size=3, longest=SECONDS, speaker_cap=40, seed=0, clean=True)
    batches = BalancedBatches(part, [], drawn, steps=2, n_mels=model.config.num_mel_bins)
    options = Optimisation(steps=2, warmup=1, validate_every=2, save_every=2, batch_size=3, distil=0.0, fp32=True)
    nothing = {"accuracy": 0.0, "loss": 0.0}
    found = loop.train(model, batches, lambda _: nothing, options, folder / "run", Accelerator(cpu=True))
    assert np.isfinite(found.history[-1]["train_loss"])
    Checkpoint.merged(model).save(folder / "merged")
    return folder / "merged", speech[0][: SECONDS * audio.SAMPLE_RATE]


def test_what_is_served_agrees_with_transformers_on_a_clip_that_fills_the_window(trained):
    folder, clip = trained
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    stock = AutoModelForAudioClassification.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        logits = stock(**extractor(clip, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt")).logits[0].numpy()
    prediction = LanguageIdentifier.load(folder).identify(clip)
    np.testing.assert_allclose(prediction.logits, logits, atol=0.2 * np.ptp(logits))


def test_all_that_the_page_shows_is_there(trained):
    folder, clip = trained
    identifier = LanguageIdentifier.load(folder)
    prediction = identifier.identify(clip)
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert prediction.timeline
    weights, _ = identifier.attention(clip)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-3)  # (heads, frames, frames)
    assert weights.shape[1] == weights.shape[2] > 10


def test_its_graphs_are_exported_and_give_the_same_answer(trained):
    if importlib.util.find_spec("lid.release.export") is None:
        pytest.skip("NOT TESTED: there is no lid.release.export")
    from lid.release import export

    folder, clip = trained
    before = LanguageIdentifier.load(folder).identify(clip)
    assert export.main([str(folder)]) == 0
    after = LanguageIdentifier.load(folder).identify(clip)
    for code, probability in before.probabilities.items():
        assert after.probabilities[code] == pytest.approx(probability, abs=0.05)
