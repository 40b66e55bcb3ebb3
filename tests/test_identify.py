"""LanguageIdentifier on synthetic speech: consistent with itself and with stock Transformers."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

from lid import InputError, LanguageIdentifier, audio, vad, verdict
from lid.data import waveforms
from lid.identify import Prediction
from lid.languages import CODES
from lid.model import checksums, whisper
from lid.model.calibration import softmax
from lid.model.open_set import OpenSetDetector
from lid.model.whisper import TorchModel, log_mel
from tests.conftest import EXAMPLES, MODEL
from tests.recordings import encoded, hiss, silence, stereo, voice, wav

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    """Nine seconds of synthetic speech."""
    waveform = np.concatenate([audio.decode(EXAMPLES / name) for name in ("uzbek.mp3", "russian.ogg", "english.m4a")])
    return waveform[: 9 * RATE]


@pytest.fixture(scope="module")
def exact() -> LanguageIdentifier:
    """The same model in PyTorch, in float32."""
    return LanguageIdentifier(TorchModel(whisper.load(Path(MODEL))), "exact", OpenSetDetector.load(MODEL))


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
def test_on_as_many_frames_as_there_are_the_encoder_is_transformers_own(exact, spoken, seconds):
    stock = AutoModelForAudioClassification.from_pretrained(MODEL, dtype=torch.float32).eval()
    waveforms = np.tile(spoken, 2)[None, : int(seconds * 50) * 320]
    logits, embedding = exact.model.hear(waveforms)
    assert (logits.shape, embedding.shape) == ((1, int(seconds * 50), 3), (1, stock.config.classifier_proj_size))
    if seconds == 10.0:
        with torch.inference_mode():
            expected = stock(log_mel(torch.from_numpy(waveforms))).logits
        np.testing.assert_allclose(logits.mean(axis=1), expected, atol=1e-3)


def test_the_quantised_graph_changes_little(identifier, exact, spoken):
    """Probabilities of clips, and where the attention lies, against PyTorch in float32."""
    for clip in (spoken, spoken[: 3 * RATE]):
        expected, got = exact.identify(clip), identifier.identify(clip)
        assert list(got.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=0.02)
        np.testing.assert_array_equal(got.frame_starts, expected.frame_starts)
        assert got.frame_logits.dtype == np.float32
    weights = [one.attention(spoken, layer=2)[0] for one in (exact, identifier)]
    np.testing.assert_allclose(weights[1].sum(axis=-1), 1.0, atol=1e-4)
    assert np.abs(weights[0] - weights[1]).sum(axis=-1).mean() < 0.2


def test_the_timeline_is_exact(identifier, spoken):
    """The clip's logits are the mean of its frames', and an entry's probabilities those of its own frames."""
    prediction = identifier.identify(spoken)
    first = prediction.timeline[0]
    inside = (prediction.frame_starts >= first["start"] - 0.001) & (prediction.frame_starts < first["end"] - 0.001)
    expected = softmax(prediction.frame_logits[inside].mean(axis=0))
    assert list(first["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
    whole = softmax(prediction.frame_logits.mean(axis=0))
    assert list(prediction.probabilities.values()) == pytest.approx(whole, abs=1e-5)


def test_silence_around_speech_changes_little(identifier, spoken):
    silence = np.zeros(3 * RATE, np.float32)
    alone = identifier.identify(spoken)
    surrounded = identifier.identify(np.concatenate([silence, spoken, silence]))
    assert surrounded.speech_seconds == pytest.approx(alone.speech_seconds, abs=0.5)
    assert surrounded.timeline[0]["start"] == pytest.approx(alone.timeline[0]["start"] + 3, abs=0.4)
    for code in CODES:
        assert surrounded.probabilities[code] == pytest.approx(alone.probabilities[code], abs=0.1)


def test_a_clip_is_heard_with_as_much_around_its_speech_as_in_training(identifier, spoken):
    clip = np.concatenate([np.zeros(3 * RATE, np.float32), spoken, np.zeros(2 * RATE, np.float32)])
    trained = waveforms.trim(clip)
    frames, embedding = identifier.model.hear(trained[None, : len(trained) // 320 * 320])
    logits, served = identifier.evidence(clip)
    np.testing.assert_allclose(logits, frames[0].mean(axis=0), atol=0.05)
    np.testing.assert_allclose(served, embedding[0], atol=0.05)


def test_a_pause_that_is_cut_leaves_the_margin_of_both_sides(identifier):
    """Each of two stretches of speech, a long pause apart, keeps its surroundings, and none is heard twice."""
    clip = voice("en", 4)
    pause = np.zeros(3 * RATE, np.float32)
    one, two = (identifier.identify(sound) for sound in (clip, np.concatenate([clip, pause, clip])))
    starts = two.frame_starts
    assert (np.diff(starts) > 0).all()
    gap = np.diff(starts).max()
    assert 3 - 2 * (vad.MARGIN + vad.PADDING) - 0.2 < gap < 3 + 0.5
    assert len(starts) > 2 * len(one.frame_starts)


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


def test_many_sounds_have_the_answers_that_each_has_alone(identifier, exact, spoken):
    call = audio.read(wav(stereo(voice("ru", 9), np.concatenate([silence(9), voice("en", 9)]))))
    sounds = [spoken, silence(1), call, np.tile(spoken, 3), voice("uz", 2)]
    for served in (identifier, exact):
        alone = [served.identify(sound) for sound in sounds]
        together = served.identify_batch(sounds, threads=3 if served is exact else 1)
        assert [verdict.decide(one) for one in together] == [verdict.decide(one) for one in alone]
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one.logits, other.logits, atol=0.05)
            np.testing.assert_array_equal(one.frame_starts, other.frame_starts)
    assert identifier.identify_batch([]) == []


def test_two_languages_in_one_recording_do_not_colour_each_other(identifier):
    """Each long stretch of speech has windows of its own."""
    uzbek, english = (audio.decode(EXAMPLES / name) for name in ("uzbek.mp3", "english.m4a"))
    together = identifier.identify(np.concatenate([uzbek, np.zeros(int(1.5 * RATE), np.float32), english]))
    for alone, offset in ((identifier.identify(uzbek), 0.0), (identifier.identify(english), len(uzbek) / RATE + 1.5)):
        for entry in alone.timeline:
            same = min(together.timeline, key=lambda other: abs(other["start"] - offset - entry["start"]))
            assert same["probabilities"]["uz"] == pytest.approx(entry["probabilities"]["uz"], abs=0.15)


def test_a_recording_is_heard_as_its_waveform_is(identifier):
    recording = audio.read(EXAMPLES / "uzbek.mp3")
    told = identifier.identify(recording).to_dict()
    assert told == identifier.identify(recording.waveform).to_dict()
    assert not {"track", "channels", "speakers"} & told.keys()


@pytest.fixture(scope="module")
def call(identifier) -> Prediction:
    """One speaker in each channel, both talking all the time."""
    sounds = stereo(voice("uz", 6), voice("ru", 6))
    return identifier.identify(audio.read(wav(sounds)))


def test_two_speakers_of_a_call_are_both_named(identifier, call):
    for speaker, language in zip(call.speakers, ("uz", "ru"), strict=True):
        alone = identifier.identify(audio.decode(wav(voice(language, 6))))
        assert speaker.language == language
        assert list(speaker.probabilities.values()) == pytest.approx(list(alone.probabilities.values()), abs=0.02)
    told = json.loads(json.dumps(call.to_dict()))
    assert told["channels"] == {"kind": "two", "heard": [1, 2], "of": 2}
    assert [(one["channel"], one["language"]) for one in told["speakers"]] == [(1, "uz"), (2, "ru")]
    assert call.to_dict()["verdict"] == "several"
    assert call.to_dict()["languages"] == ["uz", "ru"]


def test_the_timeline_of_a_call_says_who_speaks(call):
    assert [entry["start"] for entry in call.timeline] == sorted(entry["start"] for entry in call.timeline)
    for number, speaker in enumerate(call.speakers, 1):
        own = [entry for entry in call.timeline if entry["channel"] == number]
        assert [{**entry, "channel": number} for entry in speaker.timeline] == own
    assert call.duration_seconds == pytest.approx(6, abs=0.01)
    assert max(one.speech_seconds for one in call.speakers) - 0.1 < call.speech_seconds <= 6
    assert np.all(np.diff(call.frame_starts) > 0.019)
    assert len(call.frame_logits) == len(call.frame_starts)


def test_progress_goes_over_both_speakers(identifier):
    steps = []
    recording = audio.read(wav(stereo(np.tile(voice("uz", 6), 3), np.tile(voice("en", 6), 3))))
    identifier.identify(recording, lambda *step: steps.append(step))
    shares, languages = zip(*steps, strict=True)
    assert list(shares) == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert set(languages) == {"uz", "en"}


@pytest.mark.parametrize("other", [silence(6), hiss(6 * RATE)], ids=["silence", "hiss"])
def test_one_usable_channel_is_as_sure_as_alone(identifier, other):
    alone = identifier.identify(audio.decode(wav(voice("uz", 6))))
    told = identifier.identify(audio.read(wav(stereo(other, voice("uz", 6))))).to_dict()
    assert told["probabilities"] == pytest.approx(alone.probabilities, abs=1e-3)
    assert told["channels"] == {"kind": "one", "heard": [2], "of": 2}
    assert "speakers" not in told


def test_a_channel_in_which_nobody_speaks_is_left_out(identifier):
    """Beeps come and go as speech does: only the listener can tell."""
    beeps = np.sin(2 * np.pi * 800 * np.arange(6 * RATE) / RATE) * (np.arange(6 * RATE) // 8000 % 2) * 0.3
    recording = audio.read(wav(stereo(voice("uz", 6), beeps.astype(np.float32))))
    assert len(recording.sounds) == 2
    told = identifier.identify(recording).to_dict()
    assert told["channels"] == {"kind": "one", "heard": [1], "of": 2}
    assert told["language"] == "uz"
    assert "speakers" not in told


@pytest.fixture(scope="module")
def hearing(identifier, spoken) -> LanguageIdentifier:
    """The same model with a second head that takes this voice for Turkish, and a threshold that nothing reaches."""
    _, embedding = identifier.evidence(spoken)
    weight = np.stack([0 * embedding, embedding / (embedding @ embedding), 0 * embedding])
    detector = OpenSetDetector.load(MODEL).with_sounds(("fa", "tr", "ru"), 4 * weight, np.array([0.0, 0.0, 9.0]))
    return identifier.with_detector(replace(detector, threshold=np.inf))


def test_what_is_refused_says_what_it_sounds_like(hearing, spoken):
    told = json.loads(json.dumps(hearing.identify(spoken).to_dict()))
    assert (told["verdict"], told["known"]) == ("none_of_the_three", False)
    share = 1 / (1 + np.exp(-4))  # Turkish against Persian; Russian is not asked. The rows have half a say
    assert told["sounds_like"]["language"] == "tr"
    assert share / 2 - 0.01 < told["sounds_like"]["probability"] < (share + 1) / 2 + 0.01


def test_only_speech_that_is_refused_sounds_like_something(identifier, hearing, spoken):
    accepting = hearing.with_detector(replace(hearing.detector, threshold=-np.inf))
    assert accepting.identify(spoken).to_dict()["sounds_like"] is None
    assert hearing.identify(silence(3)).to_dict()["sounds_like"] is None
    gone = ("sounds_weight", "sounds_bias", "score_middle", "score_spread", "score_share")
    head = dict.fromkeys(gone) | dict.fromkeys(("sounds_languages", "sounds_trusted", "score_parts"), ())
    deaf = identifier.with_detector(replace(OpenSetDetector.load(MODEL), threshold=np.inf, **head)).identify(spoken)
    assert (deaf.known, deaf.sounds_like) == (False, None)


def test_a_second_head_changes_no_other_answer(identifier, hearing, spoken):
    fitted = OpenSetDetector.load(MODEL)
    heard = hearing.with_detector(replace(hearing.detector, threshold=fitted.threshold))
    assert heard.identify(spoken).to_dict() == identifier.with_detector(fitted).identify(spoken).to_dict()


def test_each_speaker_sounds_like_something(hearing):
    call = hearing.identify(audio.read(wav(stereo(voice("uz", 6), voice("ru", 6)))))
    assert [one["sounds_like"] for one in call.to_dict()["speakers"]] == [one.sounds_like for one in call.speakers]
    assert all(one.sounds_like for one in call.speakers)


def test_the_evidence_is_what_the_answer_is_made_of(identifier, spoken):
    logits, embedding = identifier.evidence(spoken)
    np.testing.assert_allclose(logits, identifier.identify(spoken).logits, atol=1e-5)
    np.testing.assert_allclose(identifier.detector.logits(embedding[None])[0], logits, atol=1e-3)
    assert identifier.evidence(silence(3)) is None


def test_a_recording_of_several_windows_is_as_known_as_these_are(identifier):
    """The mean of what is said in two languages is like neither of them."""
    uzbek, english = (audio.decode(EXAMPLES / name) for name in ("uzbek.mp3", "english.m4a"))
    whole = identifier.identify(np.concatenate([uzbek, english]))
    mean = identifier.detector.score(*identifier.evidence(np.concatenate([uzbek, english])))
    apart = [identifier.identify(sound).known_score for sound in (uzbek, english)]
    assert whole.known
    assert mean < whole.known_score < max(apart) + 1


def test_the_track_is_told_where_there_was_a_choice(identifier):
    told = identifier.identify(audio.read(encoded([silence(6), voice("uz", 6)], "mp4", "aac"))).to_dict()
    assert told["track"] == {"number": 2, "of": 2}
    assert told["language"] == "uz"


def test_attention_rows_sum_to_one(identifier, spoken):
    weights, start = identifier.attention(spoken, layer=0)
    assert weights.shape[0] == identifier.model.heads
    assert weights.shape[1] == weights.shape[2] > 50
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-4)
    assert 0 <= start < 9


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b/c", "http://127.0.0.1:9/a", "a/b?revision=x", "a/..", "x\0y", "a\r\nX: 1", "a" * 5000],
)
def test_what_is_no_name_of_a_model_is_a_sentence(name):
    with pytest.raises(InputError, match="No model could be loaded"):
        LanguageIdentifier.load(name)


def test_a_model_of_other_labels_is_refused(tmp_path):
    folder = shutil.copytree(MODEL, tmp_path / "other", ignore=shutil.ignore_patterns("onnx"))
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"uz"', '"kk"'))
    with pytest.raises(InputError, match=r"config\.json differs"):
        LanguageIdentifier.load(folder)
    checksums.write(folder)
    with pytest.raises(InputError, match="does not tell Uzbek"):
        LanguageIdentifier.load(folder)
