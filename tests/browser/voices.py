"""The examples' voices, in every container that people send."""

from pathlib import Path

import av
import numpy as np

from lid import audio

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
VOICES = {"uz": "uzbek.mp3", "ru": "russian.ogg", "en": "english.m4a"}
CODECS = {  # file ending -> codec, rate in Hz, container where the ending does not say it
    "wav": ("pcm_s16le", 44_100),
    "flac": ("flac", 44_100),
    "mp3": ("libmp3lame", 44_100),
    "ogg": ("libopus", 48_000),
    "opus": ("libopus", 48_000, "ogg"),
    "m4a": ("aac", 44_100, "mp4"),
    "webm": ("libopus", 48_000),
    "amr": ("libopencore_amrnb", 8_000),
}


def voice(language: str) -> np.ndarray:
    """An example's speech, float32 (samples,) at 16 kHz."""
    return audio.decode(EXAMPLES / VOICES[language])


def encode(speech: np.ndarray, path: Path, codec: str, rate: int, container: str | None = None) -> Path:
    """Write float32 (samples,) at 16 kHz as a file."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        sound = av.AudioFrame.from_ndarray((speech * 32767).astype(np.int16)[None], format="s16", layout="mono")
        sound.sample_rate = audio.SAMPLE_RATE
        resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or None)
        for piece in [*resampler.resample(sound), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path
