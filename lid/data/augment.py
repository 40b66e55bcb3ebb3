"""Augmentation on the fly: make length, loudness, codec, bandwidth, noise and room say nothing about the language.

Every clip of every language goes through the same random chain, shaped like the way of a voice to a server: the
speaker's tempo -> the room -> the noise in it -> the microphone, a made-up one or that of another clip -> its gain ->
the codec. Mono float32 at 16 kHz in, the same out; all randomness comes from the generator passed in, so that a batch
is a pure function of its seed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
import soxr
import torch
import torchaudio.functional
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from lid import audio
from lid.audio import SAMPLE_RATE

LONGEST_STRETCH = 1.12  # the fastest tempo: how much longer than wanted a clip must be to begin with

# (container, codec, sample rate in Hz, bit rates in bit/s): what telephones, messengers and recorders do to a voice.
CODECS = (
    ("ogg", "libopus", 16_000, (8_000, 32_000)),
    ("ogg", "libopus", 48_000, (12_000, 48_000)),
    ("mp3", "libmp3lame", 16_000, (16_000, 64_000)),
    ("mp3", "libmp3lame", 32_000, (32_000, 96_000)),
    ("wav", "pcm_mulaw", 8_000, (64_000, 64_000)),
    ("wav", "pcm_alaw", 8_000, (64_000, 64_000)),
    ("wav", "adpcm_ima_wav", 8_000, (32_000, 32_000)),
    ("mp4", "aac", 16_000, (16_000, 48_000)),
    ("amr", "libopencore_amrnb", 8_000, (4_750, 12_200)),
)

# Encoders' fastest settings: the loader must keep ahead of the trainer.
QUICK = {"libopus": {"compression_level": "0"}, "libmp3lame": {"compression_level": "9"}}


@dataclass(frozen=True)
class Chances:
    """How often each step is applied."""

    speed: float = 0.6
    pitch: float = 0.25
    room: float = 0.35
    noise: float = 0.8
    disguise: float = 0.3
    microphone: float = 0.5
    bandwidth: float = 0.6
    clip: float = 0.05
    codec: float = 0.5


def augment(
    waveform: np.ndarray,
    rng: np.random.Generator,
    noises: Sequence[np.ndarray] = (),
    chances: Chances = Chances(),
    other: np.ndarray | None = None,
) -> np.ndarray:
    """Put one clip (samples,) through the chain; the length changes by the tempo, up to 12 %. `noises` are recordings
    (samples,) at 16 kHz to draw from; made-up noise is used beside them. `other` is a clip, of any language, whose
    colour this one may take on."""

    def happens(chance: float) -> bool:
        return rng.random() < chance

    if happens(chances.speed):
        waveform = change_speed(waveform, rng.uniform(0.89, LONGEST_STRETCH))
    if happens(chances.pitch):
        waveform = shift_pitch(waveform, rng.uniform(-2.5, 2.5))
    if happens(chances.room):
        waveform = add_room(waveform, rng)
    if happens(chances.noise):
        waveform = add_noise(waveform, draw_noise(len(waveform), rng, noises), rng.uniform(3.0, 35.0))
    if happens(chances.disguise) and other is not None:
        waveform = colour_like(waveform, other)
    if happens(chances.microphone):
        waveform = colour(waveform, rng)
    if happens(chances.bandwidth):
        waveform = limit_bandwidth(waveform, rng)
    waveform = set_level(waveform, rng.uniform(-45.0, -12.0))
    if happens(chances.clip):
        waveform = np.clip(waveform * 10 ** (rng.uniform(6, 20) / 20), -1, 1) * np.float32(rng.uniform(0.2, 1.0))
    if happens(chances.codec):
        container, codec, rate, (low, high) = CODECS[rng.integers(len(CODECS))]
        waveform = through_codec(waveform, container, codec, rate, int(rng.uniform(low, high)))
    return np.clip(waveform, -1.0, 1.0).astype(np.float32)


def change_speed(waveform: np.ndarray, factor: float) -> np.ndarray:
    """Play `factor` times as fast; pitch follows, which makes new voices of old ones (Ko et al. 2015)."""
    return soxr.resample(waveform, SAMPLE_RATE * factor, SAMPLE_RATE, quality="MQ").astype(np.float32)


def shift_pitch(waveform: np.ndarray, semitones: float) -> np.ndarray:
    """Raise the pitch and keep the tempo: a phase vocoder stretches, resampling squeezes back."""
    import librosa

    return librosa.effects.pitch_shift(
        waveform, sr=SAMPLE_RATE, n_steps=semitones, n_fft=1024, res_type="soxr_mq"
    ).astype(np.float32)


def add_room(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolve with a made-up room: a direct path, early reflections, and noise decaying by 60 dB in 0.1-0.9 s."""
    decay = rng.uniform(0.1, 0.9)
    times = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3.0 * times / decay)
    tail[: int(rng.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0.0
    # Late energy against direct sound: -18 dB (a lavalier microphone) to +6 dB (the far end of a hall).
    tail *= np.sqrt(10 ** (rng.uniform(-18.0, 6.0) / 10) / (np.square(tail).sum() + 1e-9))
    tail[0] = 1.0
    for _ in range(rng.integers(0, 6)):
        tail[rng.integers(16, min(800, len(tail)))] += rng.uniform(-0.5, 0.5)
    return fftconvolve(waveform, tail.astype(np.float32))[: len(waveform)].astype(np.float32)


def draw_noise(samples: int, rng: np.random.Generator, noises: Sequence[np.ndarray] = ()) -> np.ndarray:
    """A recorded noise, coloured random noise, or mains hum, (samples,)."""
    kind = rng.random()
    if len(noises) and kind < 0.7:
        recording = noises[int(rng.integers(len(noises)))]
        repeats = -(-samples // len(recording)) + 1
        start = rng.integers(len(recording))
        return np.tile(recording, repeats)[start : start + samples]
    if kind < 0.95:
        size = next_fast_len(samples, real=True)
        spectrum = rfft(rng.standard_normal(size, dtype=np.float32))
        slope = rng.uniform(0.0, 1.0)  # 0 is white, 0.5 pink, 1 brown
        spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** slope
        return irfft(spectrum, size)[:samples].astype(np.float32)
    times = np.arange(samples) / SAMPLE_RATE
    mains = rng.choice([50.0, 60.0]) * np.arange(1, 8)[:, None]
    return (rng.random((7, 1)) * np.sin(2 * np.pi * mains * times)).sum(axis=0).astype(np.float32)


def add_noise(waveform: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Mix at a signal-to-noise ratio in dB."""
    if not waveform.any() or not noise.any():
        return waveform
    rows = (torch.from_numpy(np.asarray(samples, np.float32))[None] for samples in (waveform, noise))
    return torchaudio.functional.add_noise(*rows, torch.tensor([snr_db]))[0].numpy()


def colour(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A microphone's frequency response: a smooth random curve within +-9 dB, and a random low cut."""
    size = next_fast_len(len(waveform), real=True)
    spectrum = rfft(waveform, size)
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
    knots = np.geomspace(60, SAMPLE_RATE / 2, 7)
    gains = np.interp(np.log(np.maximum(hertz, 60)), np.log(knots), rng.uniform(-9, 9, len(knots)))
    gains = 10 ** (gains / 20) * (hertz / (hertz + rng.uniform(20, 300)))
    return irfft(spectrum * gains, size)[: len(waveform)].astype(np.float32)


def colour_like(waveform: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Give a clip the long-term spectrum of `other`, in 20 bands and by 20 dB at most: what one corpus's microphones do
    to a voice is then heard in every language alike."""
    size = next_fast_len(max(len(waveform), len(other)), real=True)
    spectrum = rfft(waveform, size)
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
    edges = np.geomspace(80, SAMPLE_RATE / 2, 21)
    starts = np.searchsorted(hertz, edges[:-1])
    levels = [
        10 * np.log10(np.add.reduceat(np.square(np.abs(s)), starts) / np.square(np.abs(s)).sum().clip(1e-12) + 1e-9)
        for s in (spectrum, rfft(other, size))
    ]
    gains = np.clip(levels[1] - levels[0], -20, 20)
    centres = np.sqrt(edges[:-1] * edges[1:])
    curve = 10 ** (np.interp(np.log(np.maximum(hertz, 80)), np.log(centres), gains) / 20)
    return irfft(spectrum * curve, size)[: len(waveform)].astype(np.float32)


def limit_bandwidth(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep what is under 2.8-6 kHz: telephones, old codecs, cheap Bluetooth."""
    rate = int(rng.uniform(5_600, 12_000))
    narrow = soxr.resample(waveform, SAMPLE_RATE, rate, quality="MQ")
    return _same_length(soxr.resample(narrow, rate, SAMPLE_RATE, quality="MQ"), len(waveform))


def set_level(waveform: np.ndarray, dbfs: float) -> np.ndarray:
    """Scale to an RMS level in dB of full scale, without clipping."""
    rms = float(np.sqrt(np.square(waveform).mean()))
    if rms == 0:
        return waveform
    gain = min(10 ** (dbfs / 20) / rms, 0.999 / float(np.abs(waveform).max()))
    return waveform * np.float32(gain)


def through_codec(waveform: np.ndarray, container: str, codec: str, rate: int, bit_rate: int) -> np.ndarray:
    """Encode and decode again, to the same length; AAC comes out some 0.1 s late, as its files do in life."""
    narrow = soxr.resample(waveform, SAMPLE_RATE, rate, quality="MQ") if rate != SAMPLE_RATE else waveform
    pcm = (np.clip(narrow, -1, 1) * 32767).astype(np.int16)
    return _same_length(audio.decode(encode(pcm, container, codec, rate, bit_rate)), len(waveform))


def encode(pcm: np.ndarray, container: str, codec: str, rate: int, bit_rate: int = 0) -> bytes:
    """int16 (samples,) at `rate` Hz -> a file's bytes, by FFmpeg's names of container and codec."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono", options=QUICK.get(codec, {}))
        if not isinstance(stream, av.AudioStream):
            raise ValueError(f"{codec} is no codec of sound")
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def warp(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vocal tract length perturbation (Jaitly and Hinton 2013): log-mel (mels, frames) with its mel axis stretched
    from the low end by up to 12 % either way, as by a longer or shorter throat; half of the time as it is."""
    if rng.random() < 0.5:
        return mel
    at = np.minimum(np.arange(len(mel)) * rng.uniform(0.88, 1.12), len(mel) - 1)
    low = np.minimum(at.astype(int), len(mel) - 2)
    share = (at - low).astype(np.float32)[:, None]
    return mel[low] * (1 - share) + mel[low + 1] * share


def mask(mel: np.ndarray, rng: np.random.Generator) -> None:
    """SpecAugment (Park et al. 2019) in place on log-mel (mels, frames): some bands and moments become the mean."""
    mels, frames = mel.shape
    mean = mel.mean()
    for _ in range(rng.integers(0, 3)):
        width = rng.integers(1, 13)
        low = rng.integers(0, mels - width)
        mel[low : low + width] = mean
    for _ in range(rng.integers(0, 3)):
        width = rng.integers(1, max(2, frames // 12))
        start = rng.integers(0, frames - width)
        mel[:, start : start + width] = mean


def _same_length(waveform: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples].astype(np.float32)
