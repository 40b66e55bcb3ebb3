"""Recordings as people have them, made from the synthetic examples and encoded on the spot."""

import io
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from av.stream import Disposition

from lid import audio
from lid.audio import SAMPLE_RATE

EXAMPLES = Path(__file__).parents[1] / "assets" / "examples"
VOICES = {"uz": "uzbek.mp3", "ru": "russian.ogg", "en": "english.m4a"}
GSM_FRAME = 33  # bytes, 20 ms at 8 kHz; each begins with 0xD (ETSI GSM 06.10, as files hold it)


def voice(language: str, seconds: float = 5.0) -> np.ndarray:
    """Synthetic speech, float32 (samples,) at 16 kHz."""
    return 0.8 * audio.decode(EXAMPLES / VOICES[language])[: int(seconds * SAMPLE_RATE)]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def hiss(samples: int, rms: float = 0.2) -> np.ndarray:
    return np.random.default_rng(0).normal(0, rms, samples).astype(np.float32)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two channels (samples, 2), the shorter one padded."""
    both = np.zeros((max(len(left), len(right)), 2), np.float32)
    both[: len(left), 0], both[: len(right), 1] = left, right
    return both


def wav(samples: np.ndarray, rate: int = SAMPLE_RATE, subtype: str = "PCM_16", container: str = "WAV") -> bytes:
    """A file of samples (samples,) or (samples, channels)."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=container)
    return file.getvalue()


def encoded(
    tracks: Sequence[np.ndarray],
    container: str,
    codec: str,
    rate: int = SAMPLE_RATE,
    default: int = 0,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    late: float = 0.0,
    chapters: int = 0,
) -> bytes:
    """A file with a track for each array, (samples,) or (samples, 2) at 16 kHz. `default` is the one that it calls so,
    and `late` the seconds at which its time stamps begin."""
    if codec.startswith("wma"):
        codec_options = {"b": "64000", **(codec_options or {})}  # it has no usual one
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        layouts = ["mono" if track.ndim == 1 else "stereo" for track in tracks]
        streams = [output.add_stream(codec, rate=rate, layout=layout, options=codec_options) for layout in layouts]
        if chapters:
            marks = [
                {"id": i, "start": i, "end": i + 1, "time_base": av.time_base, "metadata": {}} for i in range(chapters)
            ]
            output.set_chapters(marks)
        for number, stream in enumerate(streams):
            stream.disposition = Disposition.default if number == default else Disposition(0)
        for track, stream, layout in zip(tracks, streams, layouts, strict=True):
            pcm = (soxr.resample(track, SAMPLE_RATE, rate).clip(-1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate = rate
            resampler = av.AudioResampler(stream.format, layout, rate, stream.frame_size or None)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                piece.pts = None if piece.pts is None else piece.pts + int(late * rate)
                output.mux(stream.encode(piece))
            output.mux(stream.encode(None))
    return file.getvalue()


def sphere(samples: np.ndarray) -> bytes:
    """NIST SPHERE of 16-bit PCM at 16 kHz: lines of text, padded to 1,024 bytes, then samples."""
    lines = f"NIST_1A\n   1024\nsample_count -i {len(samples)}\nsample_rate -i {SAMPLE_RATE}\nchannel_count -i 1\n"
    lines += "sample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\nsample_coding -s3 pcm\nend_head\n"
    return lines.encode().ljust(1024) + (samples * 32767).astype("<i2").tobytes()


def gsm(frames: int) -> bytes:
    """GSM 06.10 as Asterisk writes it, without any header. There is no encoder here: the sound is noise."""
    data = np.random.default_rng(0).integers(0, 256, (frames, GSM_FRAME), dtype=np.uint8)
    data[:, 0] = 0xD0 | (data[:, 0] & 0x0F)
    return data.tobytes()


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    """`data` with the first `old` made `new`, of the same length."""
    assert len(old) == len(new)
    assert old in data
    return data.replace(old, new, 1)


def cut_short(data: bytes, share: float = 0.6) -> bytes:
    return data[: int(len(data) * share)]
