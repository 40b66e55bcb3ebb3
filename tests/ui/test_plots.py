"""Every picture: its axes, its units, and that what is drawn is what was given."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from lid.features import FRAME_SECONDS
from lid.identify import Prediction
from lid.languages import CODES
from lid.model.whisper import log_mel
from lid.ui import plots
from lid.ui.number_format import percent
from lid.ui.pooling import MAX_ENTRIES, merged, peaks, pool


def make_prediction(seconds: int = 6, gap: tuple[int, int] = (2, 3)) -> Prediction:
    """One entry a second, silent within `gap`; frame logits drawn at random."""
    rng = np.random.default_rng(0)
    entries = []
    for second in range(seconds):
        if not gap[0] <= second < gap[1]:
            shares = rng.dirichlet([1, 1, 1])
            entries.append({"start": second, "end": second + 1, "probabilities": dict(zip(CODES, shares, strict=True))})
    starts = np.concatenate([entry["start"] + np.arange(50) * FRAME_SECONDS for entry in entries])
    logits = rng.normal([1, 0, -1], 1, (len(starts), 3)).astype(np.float32)
    return Prediction("uz", {"uz": 0.9, "ru": 0.096, "en": 0.004}, seconds, len(entries), entries, logits, starts)


def axis_titles(figure) -> tuple[str, str]:
    return figure.layout.xaxis.title.text, figure.layout.yaxis.title.text


@pytest.mark.parametrize(
    ("probability", "text"), [(1.0, "> 99 %"), (0.996, "> 99 %"), (0.994, "99 %"), (0.5, "50 %"), (0.0, "< 1 %")]
)
def test_percent_never_claims_certainty(probability, text):
    assert percent(probability) == text


def test_a_long_timeline_is_merged_and_keeps_its_average():
    entries = make_prediction(seconds=3600, gap=(0, 0)).timeline
    few = merged(entries, 0.0, 3600.0)
    assert len(few) <= MAX_ENTRIES
    lengths = [entry["end"] - entry["start"] for entry in few]
    average = np.average([entry["probabilities"]["uz"] for entry in few], weights=lengths)
    assert average == pytest.approx(np.mean([entry["probabilities"]["uz"] for entry in entries]))


def test_peaks_are_the_loudest_of_each_stretch():
    sound = np.zeros(1000, np.float32)
    sound[[105, 350]] = [0.5, -0.8]
    assert list(peaks(sound, 10)) == pytest.approx([0, 0.5, 0, 0.8, 0, 0, 0, 0, 0, 0])
    assert list(peaks(np.zeros(0, np.float32))) == [0]


def test_long_recordings_have_times_as_on_a_clock():
    axis = plots.evidence(make_prediction(seconds=1200, gap=(0, 0))).layout.xaxis
    assert axis.title.text == "Time"
    assert list(axis.ticktext) == ["0:00", "5:00", "10:00", "15:00", "20:00"]
    axis = plots.evidence(make_prediction(), span=(300.0, 330.0)).layout.xaxis
    assert list(axis.range) == [300, 330]
    assert list(axis.ticktext) == ["5:00", "5:05", "5:10", "5:15", "5:20", "5:25", "5:30"]


def test_silence_is_dark():
    silence = log_mel(torch.zeros(1, 32_000))[0].numpy()
    assert np.max(plots.mel(silence).data[0].z) < -40


def test_evidence_averages_to_the_centred_logits_and_breaks_at_silence():
    prediction = make_prediction()
    figure = plots.evidence(prediction)
    assert axis_titles(figure) == ("Time (s)", "Evidence (logit)")
    centred = prediction.logits - prediction.logits.mean()
    for line, expected in zip(figure.data, centred, strict=True):
        assert np.nanmean(line.y) == pytest.approx(expected, abs=1e-5)
    times = np.array(figure.data[0].x)
    assert not ((times > 2) & (times < 3)).any()
    assert np.isnan(times).sum() == 2  # after the first stretch and after the last
    assert np.nanmin(times) == pytest.approx(0.05)  # the middle of the first five frames


def test_evidence_of_an_hour_is_light():
    assert len(plots.evidence(make_prediction(3600, gap=(0, 0))).to_json()) < 100_000


def test_mel_puts_a_tone_at_its_frequency_and_time():
    time = np.arange(32_000) / 16_000
    tone = np.where(time >= 1, np.sin(2 * np.pi * 2000 * time), 0).astype(np.float32)
    mel = log_mel(torch.from_numpy(tone)[None])[0].numpy()
    figure = plots.mel(mel)
    assert axis_titles(figure) == ("Time (s)", "Frequency (Hz)")
    heat, axis = figure.data[0], figure.layout.yaxis
    assert list(figure.layout.xaxis.range) == [0, 2]
    assert (heat.x[0], heat.x[-1]) == (0, pytest.approx(2))
    z = np.array(heat.z)
    tick = dict(zip(axis.ticktext, axis.tickvals, strict=True))["2000"]
    loud = z[:, len(z[0]) * 3 // 4]
    assert abs(loud.argmax() - tick) <= 1
    assert loud.max() == pytest.approx(0, abs=1)
    assert z[:, len(z[0]) // 4].max() == -80  # silence before it lies on Whisper's floor


def test_mel_bands_agree_with_the_filters():
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(201, 80, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    peaks = filters.argmax(axis=0) * 40.0  # Hz of each band's strongest bin; bins are 40 Hz apart
    for band in (20, 40, 60, 75):
        assert plots.band_of(peaks[band], 80) == pytest.approx(band, abs=1)


def test_attention_axes_are_seconds_and_rows_look_at_columns():
    weights = np.full((100, 100), 0.005)
    weights[70, 20] = 0.505  # at 1.4 s it looks at 0.4 s
    figure = plots.attention(weights, start=3.0)
    assert axis_titles(figure) == ("Looking at (s)", "From (s)")
    heat = figure.data[0]
    assert (heat.x[0], heat.x[-1]) == pytest.approx((3.0, 5.0))
    assert (heat.y[0], heat.y[-1]) == pytest.approx((3.0, 5.0))
    z = np.array(heat.z)
    row, column = np.unravel_index(z.argmax(), z.shape)
    assert (heat.y[row], heat.x[column]) == pytest.approx((3.0 + 70 * FRAME_SECONDS, 3.0 + 20 * FRAME_SECONDS))
    assert z[row, column] == pytest.approx(50.5)
    assert figure.layout.yaxis.scaleanchor == "x"


def test_attention_is_capped_and_keeps_the_even_share_at_one():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(1500), size=1500)
    z = np.array(plots.attention(weights).data[0].z)
    assert z.shape == (plots.MAX_ATTENTION, plots.MAX_ATTENTION)
    assert z.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("rows", "limit"), [(10, 3), (7, 7), (5, 9), (1501, 200)])
def test_pool_averages_neighbours(rows, limit):
    array = np.random.default_rng(0).normal(size=(rows, 2))
    pooled, edges = pool(array, limit)
    assert len(pooled) == min(rows, limit)
    expected = [array[start:end].mean(axis=0) for start, end in pairwise(edges)]
    assert pooled == pytest.approx(np.array(expected))


def test_no_speech_draws_empty_pictures():
    silent = Prediction(None, dict.fromkeys(CODES, 1 / 3), 10.0, 0.0, [], np.zeros((0, 3), np.float32), np.zeros(0))
    for figure in (plots.evidence(silent), plots.attention(np.zeros((0, 0)))):
        assert figure.to_json()
