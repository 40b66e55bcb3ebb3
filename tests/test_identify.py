"""LanguageIdentifier on synthetic speech: consistent with itself and with stock Transformers."""

import shutil

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

from lid import InputError, LanguageIdentifier, audio
from lid.features import log_mel
from lid.languages import CODES
from lid.model import checksums
from lid.model.calibration import softmax
from lid.model.whisper import frame_logits
from tests.conftest import EXAMPLES, MODEL

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """Nine seconds of synthetic speech."""
    waveform = np.concatenate([audio.decode(EXAMPLES / name) for name in ("uzbek.mp3", "russian.ogg", "english.m4a")])
    return waveform[: 9 * RATE]


@pytest.fixture(scope="module")
def exact() -> LanguageIdentifier:
    """The same model in float32, whatever this CPU does faster."""
    return LanguageIdentifier.load(MODEL, dtype="float32")


def test_stock_transformers_agrees_on_a_clip_that_nearly_fills_the_window(identifier, spoken):
    ours = dict(zip(CODES, softmax(identifier.identify(spoken).logits), strict=True))
    stock = pipeline("audio-classification", model=str(MODEL), top_k=3)
    for entry in stock({"raw": spoken, "sampling_rate": RATE}):
        assert entry["score"] == pytest.approx(ours[entry["label"]], abs=0.02)


def test_automodel_loads_it_and_hears_the_same(identifier, spoken):
    model = AutoModelForAudioClassification.from_pretrained(MODEL, dtype=torch.float32)
    features = AutoFeatureExtractor.from_pretrained(MODEL)(spoken, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        stock = model(**features).logits[0].softmax(-1).numpy()
    np.testing.assert_allclose(stock, softmax(identifier.identify(spoken).logits), atol=0.02)


@pytest.mark.parametrize("seconds", [10.0, 3.3, 0.5])
def test_the_encoder_is_transformers_own(exact, spoken, seconds):
    """On as many frames as there are: Transformers' modules, run by the same functions, give the same logits."""
    stock = AutoModelForAudioClassification.from_pretrained(MODEL, dtype=torch.float32).eval()
    mel = log_mel(torch.from_numpy(np.tile(spoken, 2)[: int(seconds * RATE)])[None])[..., : int(seconds * 50) * 2]
    with torch.inference_mode():
        np.testing.assert_allclose(frame_logits(exact.model, mel), frame_logits(stock, mel), atol=1e-3)
        if seconds == 10.0:
            np.testing.assert_allclose(frame_logits(exact.model, mel).mean(dim=1), stock(mel).logits, atol=1e-3)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.02), ("int8", 0.05)])
def test_coarser_numbers_change_little(exact, spoken, precision, tolerance):
    """Probabilities of clips and of single seconds, against float32."""
    try:
        coarse = LanguageIdentifier.load(MODEL, dtype=precision)
    except InputError as error:
        pytest.skip(str(error))
    for clip in (spoken, spoken[: 3 * RATE]):
        expected, got = exact.identify(clip), coarse.identify(clip)
        assert list(got.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=tolerance)
        np.testing.assert_array_equal(got.frame_starts, expected.frame_starts)
        assert got.frame_logits.dtype == np.float32
    weights = [one.attention(spoken, layer=2)[0] for one in (exact, coarse)]
    assert np.abs(weights[0] - weights[1]).sum(axis=-1).mean() < 0.2


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="no precision float8"):
        LanguageIdentifier.load(MODEL, dtype="float8")


def test_the_timeline_is_exact(identifier, spoken):
    """The clip's logits are the mean of its frames', and an entry's probabilities those of its own frames."""
    prediction = identifier.identify(spoken)
    first = prediction.timeline[0]
    inside = (prediction.frame_starts >= first["start"] - 0.001) & (prediction.frame_starts < first["end"] - 0.001)
    expected = identifier.calibration.probabilities(prediction.frame_logits[inside].mean(axis=0))
    assert list(first["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
    whole = identifier.calibration.probabilities(prediction.frame_logits.mean(axis=0))
    assert list(prediction.probabilities.values()) == pytest.approx(whole, abs=1e-5)


def test_silence_around_speech_changes_little(identifier, spoken):
    silence = np.zeros(3 * RATE, np.float32)
    alone = identifier.identify(spoken)
    surrounded = identifier.identify(np.concatenate([silence, spoken, silence]))
    assert surrounded.speech_seconds == pytest.approx(alone.speech_seconds, abs=0.5)
    assert surrounded.timeline[0]["start"] == pytest.approx(alone.timeline[0]["start"] + 3, abs=0.3)
    for code in CODES:
        assert surrounded.probabilities[code] == pytest.approx(alone.probabilities[code], abs=0.1)


def test_long_recordings_are_taken_in_windows(identifier, spoken):
    prediction = identifier.identify(np.tile(spoken, 5))
    assert prediction.duration_seconds == pytest.approx(45)
    assert prediction.timeline[-1]["end"] > 40
    assert len(prediction.frame_logits) == len(prediction.frame_starts)


@pytest.mark.parametrize("times", [1, 4])
def test_progress_grows_to_one_and_names_what_is_heard(identifier, spoken, times):
    steps = []
    prediction = identifier.identify(np.tile(spoken, times), lambda *step: steps.append(step))
    shares, languages = zip(*steps, strict=True)
    assert set(languages) == {prediction.language}
    assert list(shares) == sorted(set(shares))
    assert shares[0] > 0
    assert shares[-1] == 1.0
    assert len(shares) >= times


@pytest.mark.parametrize(
    "waveform", [np.zeros(160_000, np.float32), np.zeros(100, np.float32), np.zeros(0, np.float32)]
)
def test_no_speech(identifier, waveform):
    prediction = identifier.identify(waveform)
    assert prediction.language is None
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    "waveform", [np.zeros((2, 16_000), np.float32), np.zeros(16_000, np.int16), np.full(16_000, np.nan)]
)
def test_other_arrays_are_refused(identifier, waveform):
    with pytest.raises(InputError):
        identifier.identify(waveform)


def test_two_languages_in_one_recording_do_not_colour_each_other(identifier):
    """Each long stretch of speech has windows of its own."""
    uzbek, english = (audio.decode(EXAMPLES / name) for name in ("uzbek.mp3", "english.m4a"))
    together = identifier.identify(np.concatenate([uzbek, np.zeros(int(1.5 * RATE), np.float32), english]))
    for alone, offset in ((identifier.identify(uzbek), 0.0), (identifier.identify(english), len(uzbek) / RATE + 1.5)):
        for entry in alone.timeline:
            same = min(together.timeline, key=lambda other: abs(other["start"] - offset - entry["start"]))
            assert same["probabilities"]["uz"] == pytest.approx(entry["probabilities"]["uz"], abs=0.15)


def test_attention_rows_sum_to_one(identifier, spoken):
    weights, start = identifier.attention(spoken, layer=0)
    assert weights.shape[0] == identifier.model.config.encoder_attention_heads
    assert weights.shape[1] == weights.shape[2] > 50
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-4)
    assert 0 <= start < 9


def test_a_model_of_other_labels_is_refused(tmp_path):
    folder = shutil.copytree(MODEL, tmp_path / "other")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"uz"', '"kk"'))
    with pytest.raises(InputError, match=r"config\.json differs"):
        LanguageIdentifier.load(folder)
    checksums.write(folder)
    with pytest.raises(InputError, match="does not tell Uzbek"):
        LanguageIdentifier.load(folder)
