"""Prediction or arrays -> plotly figures. No model is used here.

Every figure is transparent and its greys can be read on white and on near-black. Arrays are averaged down to a few
hundred cells before they are drawn, so a recording of an hour weighs as much as one of a minute.
"""

import numpy as np
import plotly.graph_objects as go

from lid.features import FRAME_SECONDS, MEL_SECONDS, TOP_HERTZ, mel_of_hertz
from lid.identify import Prediction
from lid.languages import CODES
from lid.ui.colours import GREY, GRID, HEAT, LANGUAGES
from lid.ui.number_format import clock
from lid.ui.pooling import MAX_COLUMNS, pool
from lid.ui.texts.labels import Labels

MAX_ATTENTION = 200  # cells along either axis: 160 kB of weights at most
EVIDENCE_SECONDS = 0.1  # frames averaged into one point: single 20 ms frames flicker
MEL_TICKS = (250, 500, 1000, 2000, 4000, 7000)  # Hz
DB_PER_UNIT = 40.0  # Whisper stores (log10(power) + 4) / 4, so one unit is 4 log10 units, or 40 dB
QUIET = 0.0  # of log-mel: a clip without anything louder is dark, and not as bright as speech
TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800)  # s between ticks
MINUTE = 60.0  # s

_MARGIN = {"l": 62, "r": 14, "t": 10, "b": 44}  # the same everywhere, so that time axes line up down the page


ENGLISH = Labels()


def evidence(prediction: Prediction, span: tuple[float, float] | None = None, labels: Labels = ENGLISH) -> go.Figure:
    """What each moment adds: frame logits less their mean over languages, averaged over EVIDENCE_SECONDS or more.

    `span` is what is shown, in seconds of the file; by default all of it.

    Lines break where speech does. The mean of a line over all frames is the language's centred logit for the clip.
    """
    logits = prediction.frame_logits - prediction.frame_logits.mean(axis=1, keepdims=True)
    times, values = _points(logits, prediction.frame_starts)
    figure = go.Figure()
    for index, code in enumerate(CODES):
        figure.add_scatter(
            name=labels.names[code],
            x=times,
            y=values[:, index],
            mode="lines",
            line={"color": LANGUAGES[code], "width": 2},
            hovertemplate=f"%{{x:.1f}} {labels.second}: {labels.names[code]} %{{y:+.1f}}<extra></extra>",
        )
    figure.update_yaxes(title_text=labels.evidence, nticks=5)
    figure = _finish(_seconds(figure, span or (0.0, prediction.duration_seconds), labels), labels, height=200)
    return figure.update_yaxes(zeroline=True, zerolinecolor=GREY, zerolinewidth=1)


def mel(log_mel: np.ndarray, span: tuple[float, float] | None = None, labels: Labels = ENGLISH) -> go.Figure:
    """Whisper's log-mel (bands, columns) -> spectrogram in dB under the loudest cell, time in s, frequency in Hz.

    `span` is what the columns show, in seconds of the file; by default each is one 10 ms hop. Bands are
    evenly spaced in mels, so the Hz ticks are not evenly spaced. A band's index is its height;
    ticks lie where a band's centre would have that Hz.
    """
    bands, columns = log_mel.shape
    start, end = span or (0.0, columns * MEL_SECONDS)
    decibels, edges = pool(DB_PER_UNIT * (log_mel.T - log_mel.max(initial=QUIET)), MAX_COLUMNS)
    figure = go.Figure(
        go.Heatmap(
            x=start + edges * ((end - start) / max(columns, 1)),
            y=np.arange(bands),
            z=np.rint(decibels.T).astype(np.int8),
            colorscale=HEAT,
            zmin=-80,
            zmax=0,
            colorbar=_colour_bar(labels.loudness, tickvals=[-80, -40, 0]),
            hovertemplate=f"%{{x:.2f}} {labels.second}: %{{z}} {labels.decibel}<extra></extra>",
        )
    )
    figure.update_yaxes(
        title_text=labels.frequency,
        tickvals=[band_of(hertz, bands) for hertz in MEL_TICKS],
        ticktext=[str(hertz) for hertz in MEL_TICKS],
        range=[-0.5, bands - 0.5],
        showgrid=False,
    )
    figure.update_xaxes(showgrid=False)
    return _finish(_seconds(figure, (start, end), labels), labels, height=298, margin={**_MARGIN, "t": 50})


def attention(weights: np.ndarray, start: float = 0.0, labels: Labels = ENGLISH) -> go.Figure:
    """Attention weights (frames, frames), rows summing to 1, first frame at `start` s -> heatmap in seconds both ways.

    Row t (height) looks at column s (along). Colour is the weight over an even share, 1 / frames; the brightest
    hundredth of the cells share one colour, or a single spike would leave the rest dark.
    """
    frames = len(weights)
    pooled, edges = pool(weights * frames, MAX_ATTENTION)
    pooled = pool(pooled.T, MAX_ATTENTION)[0].T.astype(np.float32)
    seconds = start + edges * FRAME_SECONDS
    top = float(np.quantile(pooled, 0.99)) if pooled.size else 1.0
    figure = go.Figure(
        go.Heatmap(
            x=seconds,
            y=seconds,
            z=pooled,
            colorscale=HEAT,
            zmin=0,
            zmax=max(top, 2.0),
            colorbar=_colour_bar(labels.share, nticks=4),
            hovertemplate=f"%{{y:.2f}} → %{{x:.2f}} {labels.second}: %{{z:.1f}} ×<extra></extra>",
        )
    )
    figure.update_xaxes(title_text=labels.looking_at, showgrid=False, constrain="domain", constraintoward="left")
    figure.update_yaxes(
        title_text=labels.looking_from, showgrid=False, scaleanchor="x", constrain="domain", constraintoward="top"
    )
    return _finish(figure, labels, height=438, margin={**_MARGIN, "t": 50})


def band_of(hertz: float, bands: int) -> float:
    """The (fractional) index of the mel band centred on a frequency; `bands` + 2 corners lie evenly from 0 to 8 kHz."""
    return float(mel_of_hertz(hertz) / mel_of_hertz(TOP_HERTZ) * (bands + 1) - 1)


def _points(logits: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frame logits -> mid-times (points,) and means (points, 3), with a NaN point at every cut in the speech."""
    block = max(round(EVIDENCE_SECONDS / FRAME_SECONDS), -(-len(starts) // MAX_COLUMNS))
    times, values = [np.zeros(0)], [np.zeros((0, logits.shape[1]), np.float32)]
    cuts = np.flatnonzero(np.diff(starts) > 1.5 * FRAME_SECONDS) + 1
    for run in np.split(np.arange(len(starts)), cuts):
        means, edges = pool(logits[run], -(-len(run) // block))
        middles = starts[run[:1]] + (edges[:-1] + edges[1:]) / 2 * FRAME_SECONDS
        times += [middles, np.array([np.nan])]
        values += [means, np.full((1, logits.shape[1]), np.nan)]
    return np.concatenate(times), np.concatenate(values).astype(np.float32)


def _colour_bar(title: str, **ticks) -> dict:
    """A thin bar above the picture, where it costs no width on a phone."""
    return {
        "title": {"text": title, "side": "top", "font": {"size": 12}},
        "tickfont": {"size": 12},
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "ypad": 6,
        "len": 160,
        "lenmode": "pixels",
        "thickness": 8,
        "outlinewidth": 0,
        **ticks,
    }


def _seconds(figure: go.Figure, span: tuple[float, float], labels: Labels) -> go.Figure:
    """A time axis: seconds in a short recording, times as 5:00 in one of a minute or more."""
    start, end = span
    if end < MINUTE:
        step = next((step for step in TIME_STEPS if (end - start) / step <= 10), (end - start) / 10)
        return figure.update_xaxes(title_text=labels.time, range=[start, end], tick0=0, dtick=step)
    step = next((step for step in TIME_STEPS if (end - start) / step <= 6), (end - start) / 6)
    ticks = np.arange(np.ceil(start / step), np.floor(end / step) + 1) * step
    named = [clock(tick) for tick in ticks]
    return figure.update_xaxes(title_text=labels.clock, range=[start, end], tickvals=ticks, ticktext=named)


def _finish(figure: go.Figure, labels: Labels, height: int, margin: dict = _MARGIN) -> go.Figure:
    """One look for all; no dragging, so that a thumb scrolls the page and not the picture."""
    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "fixedrange": True}
    figure.update_xaxes(axis).update_yaxes(axis)
    return figure.update_layout(
        height=height,
        margin=margin,
        dragmode=False,
        separators=labels.separators,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13, "color": GREY},
        hoverlabel={"font_size": 13},
        bargap=0,
        showlegend=False,  # the page has one, in text that wraps
        template="none",
    )
