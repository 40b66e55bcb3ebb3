"""The player of a clip, as HTML. player.js ties it to the pictures, and says when its file is gone."""

import base64
import io
import mimetypes
import wave
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from lid.audio import SAMPLE_RATE
from lid.ui.texts import Texts


def of_upload(path: str, texts: Texts) -> str:
    """A player for an upload on the server."""
    return _player(f"gradio_api/file={quote(path)}", Path(path).name, texts)


def of_example(path: Path, name: str, texts: Texts) -> str:
    """A player that contains the clip, so that no folder of the server has to be served."""
    kind = mimetypes.guess_type(path.name)[0] or "audio/mpeg"
    return _player(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}", name, texts)


def of_waveform(waveform: np.ndarray, texts: Texts) -> str:
    """A player that contains the sound of live mode, float32 (samples,) at 16 kHz; the server keeps none of it."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((waveform * 32767).astype("<i2").tobytes())
    return _player(f"data:audio/wav;base64,{base64.b64encode(sound.getvalue()).decode()}", texts.live, texts)


def _player(source: str, name: str, texts: Texts) -> str:
    label, gone = escape(texts.player.format(name=name)), escape(texts.gone)
    return f"<audio controls preload='metadata' src='{escape(source)}' aria-label='{label}' data-gone='{gone}'></audio>"
