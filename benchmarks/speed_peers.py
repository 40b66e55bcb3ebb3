"""One contender of speed.py in a process of its own: reads requests from stdin, one JSON object a line, and answers
each with seconds, CPU seconds and peak memory. faster-whisper's process needs only its own packages and NumPy."""

import argparse
import io
import json
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnxruntime

    from lid import LanguageIdentifier

RATE = 16_000
SIZE = 2048  # rows and columns of the matrices that the peak is measured with


def ours(options: argparse.Namespace) -> Callable[[list[np.ndarray]], list]:
    """lid, waveform to Prediction, voice detection and timeline included, by the graphs that are served."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from lid import LanguageIdentifier

    return _identifying(LanguageIdentifier.load(options.model), options)


def pytorch(options: argparse.Namespace) -> Callable[[list[np.ndarray]], list]:
    """The same with the encoder in PyTorch, in float32."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import torch

    torch.set_num_threads(options.threads)
    from lid import LanguageIdentifier
    from lid.model import whisper

    model = whisper.TorchModel(whisper.load(Path(options.model)))
    return _identifying(LanguageIdentifier(model, "PyTorch"), options)


def _identifying(identifier: "LanguageIdentifier", options: argparse.Namespace) -> Callable[[list[np.ndarray]], list]:
    options.about = {"precision": identifier.model.precision, "layers": identifier.layers}

    def answer(waveforms: list[np.ndarray]) -> list:
        predictions = [identifier.identify(waveform) for waveform in waveforms]
        return [[p.language, len(p.frame_logits)] for p in predictions]

    return answer


def page(options: argparse.Namespace) -> Callable[[list[np.ndarray]], list]:
    """What the page does with a file: decode, identify, and every picture as the JSON that it sends."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from lid import LanguageIdentifier
    from lid.audio import DEFAULT_LIMITS
    from lid.ui import plots
    from lid.ui.recording import analyse, with_progress

    identifier = LanguageIdentifier.load(options.model)
    listen = with_progress(identifier.identify)

    def answer(waveforms: list[np.ndarray]) -> list:
        said = []
        for waveform in waveforms:
            *_, heard = analyse(_wav(waveform), listen, identifier.model, DEFAULT_LIMITS)
            weights, start = identifier.attention(heard.first_segment.waveform)
            prediction = heard.prediction
            figures = [draw(prediction) for draw in (plots.bars, plots.timeline, plots.evidence)]
            figures += [plots.mel(heard.mel, prediction.duration_seconds)]
            figures += [plots.attention(weights.mean(axis=0), heard.first_segment.start + start)]
            said.append([prediction.language, sum(len(figure.to_json()) for figure in figures)])
        return said

    return answer


def _wav(waveform: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes((waveform * 32767).astype("<i2").tobytes())
    return file.getvalue()


def stock(options: argparse.Namespace) -> Callable[[list[np.ndarray]], list]:
    """Transformers' pipeline("audio-classification") with the same encoder at its usual 30 s window."""
    import torch

    torch.set_num_threads(options.threads)
    from transformers import pipeline

    classify = pipeline("audio-classification", model=options.model, device="cpu", dtype=torch.float32)

    def answer(waveforms: list[np.ndarray]) -> list:
        clips = [{"raw": waveform, "sampling_rate": RATE} for waveform in waveforms]
        return [found[0]["label"] for found in classify(clips, batch_size=len(clips), top_k=1)]

    return answer


def detection(options: argparse.Namespace) -> Callable[[list[np.ndarray]], list]:
    """openai/whisper's detect_language in Transformers: 30 s through the encoder, one step of the decoder."""
    import torch

    torch.set_num_threads(options.threads)
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    features = WhisperFeatureExtractor.from_pretrained(options.model)
    model = WhisperForConditionalGeneration.from_pretrained(options.model, dtype=torch.float32).eval()
    codes = {token: code for code, token in model.generation_config.lang_to_id.items()}
    tokens = sorted(codes)

    def answer(waveforms: list[np.ndarray]) -> list:
        mel = features(waveforms, sampling_rate=RATE, return_tensors="pt").input_features
        start = torch.full((len(waveforms), 1), model.config.decoder_start_token_id)
        with torch.inference_mode():
            logits = model(mel, decoder_input_ids=start).logits[:, 0, tokens]
        return [codes[tokens[best]] for best in logits.argmax(dim=1).tolist()]

    return answer


def faster_whisper(options: argparse.Namespace) -> Callable[[list[np.ndarray]], list]:
    """faster-whisper's detect_language in int8."""
    from faster_whisper import WhisperModel

    model = WhisperModel(_with_tokenizer(options.model), device="cpu", compute_type="int8", cpu_threads=options.threads)

    def answer(waveforms: list[np.ndarray]) -> list:
        return [model.detect_language(audio=waveform)[0] for waveform in waveforms]

    return answer


def _with_tokenizer(folder: str) -> str:
    """faster-whisper loads a tokenizer it does not use here; without one in the folder it would ask the network."""
    if (Path(folder) / "tokenizer.json").is_file():
        return folder
    import tokenizers

    copy = Path(tempfile.mkdtemp())
    for file in Path(folder).resolve().iterdir():
        (copy / file.name).symlink_to(file)
    tokenizers.Tokenizer(tokenizers.models.BPE()).save(str(copy / "tokenizer.json"))
    return str(copy)


def peak(options: argparse.Namespace) -> Callable[[list[np.ndarray]], dict[str, float]]:
    """Not a contender: what this machine multiplies, in operations a second, in float32 and in 8-bit numbers."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    rng = np.random.default_rng(0)
    numbers = {"float32": rng.normal(size=(SIZE, SIZE)), "int8": rng.integers(0, 99, (SIZE, SIZE))}
    types = {"float32": (np.float32, np.float32), "int8": (np.uint8, np.int8)}
    sessions = {
        name: onnxruntime.InferenceSession(_product(numbers[name].astype(types[name][1])), settings) for name in numbers
    }

    def answer(waveforms: list[np.ndarray]) -> dict[str, float]:
        return {
            name: 2 * SIZE**3 / min(_timed(session, numbers[name].astype(types[name][0])) for _ in range(5))
            for name, session in sessions.items()
        }

    return answer


def _product(weight: np.ndarray) -> bytes:
    """A graph that multiplies a matrix by this one."""
    import onnx_ir as ir
    from onnxscript import GraphBuilder

    from lid.model import graphs

    def describe(builder: GraphBuilder) -> None:
        whole = weight.dtype == np.int8
        x = builder.input("x", ir.DataType.UINT8 if whole else ir.DataType.FLOAT, [SIZE, SIZE])
        values = graphs.constant(builder, weight, "weight", exact=True)
        builder.add_output((builder.op.MatMulInteger if whole else builder.op.MatMul)(x, values), "y")

    return graphs.build("product", describe, {})


def _timed(session: "onnxruntime.InferenceSession", x: np.ndarray) -> float:
    start = time.perf_counter()
    session.run(None, {"x": x})
    return time.perf_counter() - start


def peak_memory(process: int | str) -> int:
    """Bytes a process has had at most. (What getrusage says of a child begins with its parent's.)"""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


CONTENDERS = {
    "ours": ours,
    "pytorch": pytorch,
    "page": page,
    "stock": stock,
    "detection": detection,
    "faster-whisper": faster_whisper,
    "peak": peak,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--speech", type=Path, required=True, help="a .npy of mono float32 at 16 kHz")
    options = parser.parse_args()
    options.about = {}
    speech = np.load(options.speech)
    start = time.perf_counter()
    answer = CONTENDERS[options.contender](options)
    print(json.dumps({"load": time.perf_counter() - start, **options.about}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        clip = np.tile(speech, -(-int(request["seconds"] * RATE) // len(speech)))[: int(request["seconds"] * RATE)]
        wall, cpu = time.perf_counter(), time.process_time()
        said = answer([clip] * request["batch"])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": wall, "cpu": cpu, "rss": peak_memory("self"), "said": said}), flush=True)


if __name__ == "__main__":
    main()
