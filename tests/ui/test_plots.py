"""Every picture: its axes, its units, and that what is drawn is what was given."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from lid.features import FRAME_SECONDS
from lid.identify import Prediction
from lid.languages import CODES, NAMES
from lid.model.whisper import log_mel
from lid.ui import plots
from lid.ui.number_format import percent
from lid.ui.pooling import pool


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


def test_bars_show_the_probabilities_in_percent():
    figure = plots.bars(make_prediction())
    assert list(figure.data[0].y) == ["Uzbek", "Russian", "English"]
    assert list(figure.data[0].x) == pytest.approx([90, 9.6, 0.4])
    assert list(figure.data[0].text) == ["90 %", "10 %", "< 1 %"]
    assert figure.layout.xaxis.title.text == "Probability (%)"
    assert figure.layout.yaxis.autorange == "reversed"  # first language on top


@pytest.mark.parametrize(
    ("probability", "text"), [(1.0, "> 99 %"), (0.996, "> 99 %"), (0.994, "99 %"), (0.5, "50 %"), (0.0, "< 1 %")]
)
def test_percent_never_claims_certainty(probability, text):
    assert percent(probability) == text


def test_timeline_stacks_each_entry_to_a_hundred_and_leaves_silence_blank():
    prediction = make_prediction()
    figure = plots.timeline(prediction)
    assert axis_titles(figure) == ("Time (s)", "Probability (%)")
    assert figure.layout.barmode == "stack"
    assert [bar.name for bar in figure.data] == list(NAMES.values())
    assert sum(np.array(bar.y) for bar in figure.data) == pytest.approx(100)
    for code, bar in zip(CODES, figure.data, strict=True):
        assert bar.y == pytest.approx([100 * entry["probabilities"][code] for entry in prediction.timeline])
        assert list(bar.x) == [0.5, 1.5, 3.5, 4.5, 5.5]
        assert list(bar.width) == [1] * 5
    assert list(figure.layout.xaxis.range) == [0, 6]


def test_speakers_with_channels_have_rows_of_their_own():
    first = {"start": 0, "end": 1, "probabilities": {"uz": 0.9, "ru": 0.06, "en": 0.04}, "channel": 1}
    second = {"start": 0.5, "end": 1.5, "probabilities": {"uz": 0.2, "ru": 0.7, "en": 0.1}, "channel": 2}
    prediction = replace(make_prediction(), timeline=[first, second])
    figure = plots.timeline(prediction)
    rows = {}
    for bar in figure.data:
        assert len(bar.x) == 1
        rows.setdefault(bar.x[0], []).append((bar.base[0], bar.base[0] + bar.y[0]))
    for edges in rows.values():  # each row is a stack of a hundred
        assert [top for _, top in edges[:-1]] == pytest.approx([bottom for bottom, _ in edges[1:]])
        assert edges[-1][1] - edges[0][0] == pytest.approx(100)
    assert rows[0.5][0][0] > rows[1.0][-1][1]  # channel 1 lies above channel 2
    axis = figure.layout.yaxis
    assert (axis.title.text, list(axis.ticktext)) == ("Channel", [1, 2])
    assert rows[0.5][0][0] < axis.tickvals[0] < rows[0.5][-1][1]


def test_long_timeline_is_merged_and_keeps_its_average():
    prediction = make_prediction(seconds=3600, gap=(0, 0))
    figure = plots.timeline(prediction)
    assert len(figure.data[0].x) <= plots.MAX_ENTRIES
    average = np.average(figure.data[0].y, weights=figure.data[0].width)
    assert average == pytest.approx(100 * np.mean([entry["probabilities"]["uz"] for entry in prediction.timeline]))


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
    for figure in (plots.timeline(silent), plots.evidence(silent), plots.attention(np.zeros((0, 0)))):
        assert figure.to_json()
