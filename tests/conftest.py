"""Fixtures shared by all tests: the running app, and clips made on the spot from the synthetic examples."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.served import App

pytest_plugins = ("tests.recipe",)

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "assets" / "examples"
MODEL = os.environ.get("MODEL_ID") or ROOT / "assets" / "model"


@pytest.fixture(scope="session")
def identifier():
    """The model the app serves."""
    from lid import LanguageIdentifier

    if not Path(MODEL).is_dir():
        pytest.skip(f"no model at {MODEL}: set MODEL_ID to a checkpoint")
    return LanguageIdentifier.load(MODEL)


@pytest.fixture(autouse=True)
def no_accelerator_of_before() -> Iterator[None]:
    """Accelerate keeps the first Accelerator's settings for the whole process; a test begins without any."""
    yield
    if state := sys.modules.get("accelerate.state"):
        state.AcceleratorState._reset_state(reset_partial_state=True)


WATCH = """
import os, sys

def watch(event, arguments, log=os.environ["OUTBOUND_LOG"]):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if str(host) not in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):
        with open(log, "a") as file:
            print(event, arguments, file=file)

sys.addaudithook(watch)
"""


@pytest.fixture(scope="session")
def outbound(tmp_path_factory) -> Path:
    """A file that lists every host but this one that the app looked up or connected to."""
    path = tmp_path_factory.mktemp("outbound") / "log.txt"
    path.touch()
    return path


@pytest.fixture(scope="session")
def app(identifier, outbound, tmp_path_factory) -> Iterator[App]:
    """app.py itself, offline, on a free port of 127.0.0.1; started once."""
    with _running(["app.py"], outbound, tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="session")
def app_url(app) -> str:
    return app.url


@pytest.fixture(scope="session")
def busy_url(identifier, outbound, tmp_path_factory) -> Iterator[str]:
    """The same app with a queue that is always full."""
    code = "from lid.ui import settings; settings.QUEUE_SIZE = 0; import app; app.main()"
    with _running(["-c", code], outbound, tmp_path_factory.mktemp("busy")) as app:
        yield app.url


@pytest.fixture(scope="session")
def narrow_url(identifier, outbound, tmp_path_factory) -> Iterator[str]:
    """The same app, which works on one recording at a time."""
    code = "from lid.ui import settings; settings.AT_ONCE = 1; import app; app.main()"
    with _running(["-c", code], outbound, tmp_path_factory.mktemp("narrow")) as app:
        yield app.url


@contextmanager
def _running(arguments: list[str], outbound: Path, folder: Path) -> Iterator[App]:
    """Python with arguments that start the app, until it is no longer needed."""
    (folder / "outbound.txt").symlink_to(outbound)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "MODEL_ID": str(MODEL),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "PYTHONPATH": str(folder),
        "OUTBOUND_LOG": str(outbound),
    }
    (folder / "sitecustomize.py").write_text(WATCH)  # Python runs it before app.py
    log = folder / "log.txt"
    with log.open("w") as output:
        app = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            while not _answers(f"http://127.0.0.1:{port}/config"):
                assert app.poll() is None, f"app.py ended before it answered:\n{log.read_text()}"
                time.sleep(0.2)
            yield App(app, port, folder)
            assert app.poll() is None, f"app.py died with exit code {app.returncode}:\n{log.read_text()}"
        finally:
            app.terminate()
            app.wait()


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """A folder with Whisper's shape in miniature and random weights, to train in seconds."""
    import torch
    from transformers import WhisperConfig, WhisperForAudioClassification

    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        num_mel_bins=80,
        vocab_size=100,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        max_source_positions=500,
        classifier_proj_size=16,
        init_std=0.1,
    )
    folder = tmp_path_factory.mktemp("base")
    WhisperForAudioClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def talking(miniature, tmp_path_factory) -> Path:
    """The like with a decoder, which names four languages."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(0)
    config = WhisperConfig.from_pretrained(miniature, max_source_positions=1500, init_std=0.3)
    folder = tmp_path_factory.mktemp("talking")
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    tokens = {"<|tr|>": 95, "<|uz|>": 90, "<|ru|>": 91, "<|en|>": 92}
    GenerationConfig(lang_to_id=tokens).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> dict[str, Path]:
    """Files people send, good and bad, by name."""
    from lid import audio

    folder = tmp_path_factory.mktemp("clips")
    mp3 = (EXAMPLES / "uzbek.mp3").read_bytes()
    speech = audio.decode(mp3)
    made = {"speech": EXAMPLES / "uzbek.mp3", "webm": EXAMPLES / "uzbek-then-english.webm"}
    for name, file, data in (
        ("text", "notes.wav", b"These are words, not sound.\n" * 40),
        ("empty", "empty.wav", b""),
        ("truncated", "truncated.mp3", mp3[: len(mp3) * 6 // 10]),
        ("unnamed", "voice", mp3),
        ("misnamed", "voice.txt", mp3),
    ):
        made[name] = folder / file
        made[name].write_bytes(data)
    stereo = np.repeat(np.repeat(speech[:64_000], 12)[:, None], 2, axis=1)
    for name, rate, samples in (
        ("stereo_192k", 192_000, stereo),
        ("short", 16_000, speech[8000:11_200]),
        ("silence", 16_000, np.zeros(160_000)),
    ):
        made[name] = folder / f"{name}.wav"
        _write_wav(made[name], rate, samples)
    return made


@contextmanager
def no_room():
    """A limit on file size stands in for a full disk: both refuse to write on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def _write_wav(path: Path, rate: int, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1] if samples.ndim == 2 else 1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False
