"""Every defect is found under its own name, and what is fit stays, in whatever order the clips come."""

import csv
import io
import json
from collections import Counter
from dataclasses import replace

import av
import numpy as np
import pytest

from lid import audio
from lid.data.clip import Clip
from lid.data.curation import fingerprint, measurements, quality
from lid.data.curation.quality import QualityLimits, check
from tests.conftest import EXAMPLES

RATE = audio.SAMPLE_RATE
CODECS = {"mp3": ("mp3", 32_000, RATE), "opus": ("ogg", 16_000, 48_000), "flac": ("flac", None, RATE)}


def encode(waveform: np.ndarray, kind: str = "mp3") -> bytes:
    """A file of the kind `kind` of CODECS."""
    container_format, bit_rate, rate = CODECS[kind]
    codec = "libopus" if kind == "opus" else kind
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if bit_rate:
            stream.bit_rate = bit_rate
        pcm = (np.clip(waveform, -1, 1) * 32767).astype("<i2")[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.rate = RATE
        resampler = av.AudioResampler(stream.format or "s16", "mono", rate, frame_size=stream.frame_size or 0)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def second(waveform: np.ndarray, start: float, end: float) -> np.ndarray:
    return waveform[int(start * RATE) : int(end * RATE)]


@pytest.fixture(scope="module")
def voices() -> dict[str, np.ndarray]:
    """Four seconds of each synthetic example."""
    files = {"uz": "uzbek.mp3", "ru": "russian.ogg", "en": "english.m4a"}
    return {language: second(audio.decode(EXAMPLES / file), 0, 4.5) for language, file in files.items()}


@pytest.fixture(scope="module")
def defects(voices) -> dict[str, Clip]:
    """One clip for every reason that a clip's own measures give, by reason."""
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    speech = voices["uz"]
    mp3 = encode(speech)
    sounds = {
        "missing": None,
        "empty": b"",
        "truncated": mp3[: len(mp3) // 2],
        "unreadable": b"These are words, not sound.\n" * 40,
        "too_short": encode(second(speech, 1, 1.5), "flac"),
        "too_long": encode(np.tile(np.concatenate([speech, voices["ru"], voices["en"]]), 3), "opus"),
        "silent": encode(np.zeros(4 * RATE, np.float32)),
        "clipped": encode(np.clip(speech * 60 / np.abs(speech).max(), -0.9, 0.9), "flac"),
        "doubled": encode(np.tile(second(speech, 0.5, 3.5), 2)),
        "no_speech": encode(noise, "opus"),
    }
    return {reason: Clip(f"{reason}.bin", data, "uz", f"voice {reason}") for reason, data in sounds.items()}


@pytest.fixture(scope="module")
def good(voices) -> list[Clip]:
    return [Clip(f"good-{of}.mp3", encode(voices[of]), of, f"good {of}") for of in voices]


def reasons(checked: quality.Checked) -> dict[str, str]:
    return {one.path: one.reason for one in checked.dropped}


@pytest.fixture(scope="module")
def checked(defects, good) -> quality.Checked:
    return check([*defects.values(), *good], progress=False, orphans={"ru": ["lonely.mp3"]})


def test_every_defect_is_named(checked, defects):
    expected = {clip.path: reason for reason, clip in defects.items()} | {"lonely.mp3": "no_row"}
    assert reasons(checked) == expected


def test_good_clips_are_kept_with_their_facts(checked, good):
    assert checked.kept == sorted(good, key=lambda clip: clip.language)
    for measured in checked.facts:
        assert 4 < measured.seconds < 5
        assert 1 < measured.speech <= measured.seconds
        assert measured.floor < measured.loudness < 0
        assert 2000 < measured.bandwidth <= 8000


def test_order_makes_no_difference(checked, defects, good):
    again = check([*good, *defects.values()][::-1], progress=False, orphans={"ru": ["lonely.mp3"]})
    assert again == checked


def test_counts_and_table(checked, tmp_path):
    assert quality.counts(checked.dropped)["ru"] == {"no_row": 1}
    assert sum(quality.counts(checked.dropped)["uz"].values()) == len(checked.dropped) - 1
    quality.write_dropped_tsv(tmp_path / "dropped.tsv", checked.dropped)
    with (tmp_path / "dropped.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["path"]: row["reason"] for row in rows} == reasons(checked)
    assert "voice" not in (tmp_path / "dropped.tsv").read_text()  # no speaker


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_off_anywhere_is_truncated(voices, kind, share):
    data = encode(voices["ru"], kind)
    whole = Clip("whole", data, "ru", "s")
    cut = Clip("cut", data[: int(len(data) * share)], "ru", "s", duration=None)
    assert reasons(check([whole, cut], progress=False)) == {"cut": "truncated"}


def test_a_clip_shorter_than_its_table_says_is_truncated(good):
    told = replace(good[0], duration=9.0)
    assert reasons(check([told], progress=False)) == {told.path: "truncated"}
    assert check([replace(told, duration=4.55)], progress=False).dropped == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: encode(w, "opus"), id="opus"),
        pytest.param(lambda w: encode(w * 0.4, "mp3"), id="quieter mp3"),
        pytest.param(lambda w: encode(np.pad(w, (3333, 0)), "flac"), id="a fifth of a second later"),
        pytest.param(lambda w: encode(w[3200:-1600], "opus"), id="trimmed"),
    ],
)
def test_a_recording_is_known_again(voices, good, change):
    copy = Clip("zzz", change(voices["uz"]), "uz", "another name")
    result = check([*good, copy], progress=False)
    assert reasons(result) == {"zzz": "near_duplicate"}
    assert result.same_speaker == [("another name", "good uz")]


def test_equal_files_and_equal_sounds_are_told_apart(voices, good):
    twin = replace(good[0], path="twin", speaker="")
    result = check([twin, *good], progress=False)
    assert reasons(result) == {"twin": "duplicate"}
    assert result.same_speaker == []  # nothing is known about an unknown speaker


def test_a_recording_in_two_languages_is_in_neither(good):
    liar = replace(good[0], language="kk", path="liar")
    result = check([liar, *good], progress=False)
    assert reasons(result) == {"liar": "conflicting_language", good[0].path: "conflicting_language"}


def test_an_excerpt_is_another_clip_of_the_same_person(voices, good):
    half = Clip("half", encode(second(voices["uz"], 0, 2.2)), "uz", "another name")
    result = check([*good, half], progress=False)
    assert result.dropped == []
    assert result.same_speaker == [("another name", "good uz")]


def test_text_must_fit_the_speech(voices):
    """Twenty stretches of one voice with 12 letters a second, one with far too much text, one with far too little."""
    clips = []
    for i in range(20):
        sound = voices["uz"][int(i * 0.1 * RATE) :][: int((1.5 + 0.04 * i) * RATE)]
        clips.append(Clip(f"{i:02}", encode(sound, "flac"), "uz", "s", "a" * round(12 * len(sound) / RATE)))
    limits = QualityLimits(min_texts=10, max_difference=-1.0)  # the stretches overlap: no duplicates here
    assert check(clips, limits=limits, progress=False).dropped == []
    clips[4] = replace(clips[4], sentence="juda " * 30)
    clips[9] = replace(clips[9], sentence="ha")
    assert reasons(check(clips, limits=limits, progress=False)) == {"04": "text_too_long", "09": "text_too_short"}
    few = replace(limits, min_texts=50)
    assert check(clips, limits=few, progress=False).dropped == []
    unknown = [replace(clip, sentence="") for clip in clips]
    assert check(unknown, limits=limits, progress=False).dropped == []


def test_a_killed_run_goes_on_where_it_was(tmp_path, checked, defects, good):
    cache = tmp_path / "deep" / "facts.jsonl"
    clips = [*defects.values(), *good]
    orphans = {"ru": ["lonely.mp3"]}
    assert check(clips, cache, progress=False, orphans=orphans) == checked
    lines = cache.read_text().splitlines()
    cache.write_text("\n".join(lines[:-2]) + "\n" + lines[-1][:50])  # as a kill leaves it
    assert check(clips, cache, progress=False, orphans=orphans) == checked
    # Whoever changes a record sees the change: nothing was measured again.
    records = [json.loads(line) for line in cache.read_text().splitlines() if line.endswith("}")]
    for record in records:
        record["level"] = -90.0
    cache.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert Counter(reasons(check(good, cache, progress=False)).values()) == {"silent": 3}
    # Records of another version are not believed.
    cache.write_text("".join(json.dumps(record | {"version": 0}) + "\n" for record in records))
    assert check(good, cache, progress=False).dropped == []


def test_other_processes_measure_the_same(checked, defects, good):
    assert check([*defects.values(), *good], workers=1, progress=False, orphans={"ru": ["lonely.mp3"]}) == checked


def test_facts_describe_the_channel(voices):
    speech = np.pad(voices["en"], (RATE // 2, 0))
    half = measurements.measure(speech * 0.5)
    whole = measurements.measure(speech)
    assert whole.lead == pytest.approx(0.5, abs=0.1)
    assert whole.loudness - half.loudness == pytest.approx(6.02, abs=0.1)
    assert len(fingerprint.matches([whole.words, half.words], 0.05)) == 1
    rng = np.random.default_rng(0)
    hiss = np.fft.irfft(np.fft.rfft(rng.normal(0, 0.1, 4 * RATE)) * (np.fft.rfftfreq(4 * RATE, 1 / RATE) < 3000))
    assert measurements.measure(hiss.astype(np.float32)).bandwidth == pytest.approx(3000, abs=200)  # the window's skirt


def test_strangers_have_nothing_in_common(voices):
    prints = [fingerprint.of(waveform) for waveform in voices.values()]
    assert fingerprint.matches(prints, 0.3) == []
    assert all(fingerprint.half_difference(words) > 0.35 for words in prints)
    assert fingerprint.matches([], 0.3) == []
