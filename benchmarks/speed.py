"""How fast an answer comes, beside others that say which language is spoken: one command, one run, one machine.

    python benchmarks/speed.py --whisper-model FOLDER --ctranslate2-model FOLDER --peer-python PYTHON --write

- ours: `LanguageIdentifier.identify`, waveform to answer, with the embedded model's graphs; and with its encoder in
  PyTorch, in float32.
- stock: Transformers' `pipeline("audio-classification")`, whisper-base's encoder at its 30 s window (random weights:
  time does not depend on them).
- Whisper: language detection as openai/whisper does it, with Transformers; needs `--whisper-model`, a folder of
  whisper-base for Transformers.
- faster-whisper: `detect_language` in int8; needs `--ctranslate2-model`, a folder of whisper-base for CTranslate2, and
  the package, in this interpreter or in the one `--peer-python` names.

Each contender has a process of its own. They take turns, length by length and round by round, so that whatever else
happens on the machine happens to all. Tables have medians. `--write` puts them into docs/BENCHMARKS.md.
"""

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.speed_peers import peak_memory

ROOT = Path(__file__).parents[1]
LENGTHS = (1, 3, 5, 10, 30, 60)  # seconds
THREADS = (1, 2)
REPEATS = 3  # answers in each turn: the first after a rest finds caches cold
PAUSE = 0.3  # seconds between two contenders: OpenMP's threads spin for a while after their work
WINDOW = 500  # frames of 20 ms that the embedded model hears at once
BASE = {"d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048}
MEDIUM = {"d_model": 1024, "encoder_layers": 24, "encoder_attention_heads": 16, "encoder_ffn_dim": 4096}
TARGETS = {
    5: {"stock": 24, "faster-whisper": 12},
    10: {"stock": 12, "faster-whisper": 6},
    30: {"stock": 4, "faster-whisper": 1.5},
}
HOUR = 3600
PAGE_SECONDS = 10
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1"}
PROCESS = Path(__file__).with_name("speed_peers.py")
COLD_STOCK = """
import sys, wave, numpy
with wave.open(sys.argv[2]) as file:
    waveform = numpy.frombuffer(file.readframes(file.getnframes()), "<i2").astype("float32") / 32768
from transformers import pipeline
classify = pipeline("audio-classification", model=sys.argv[1])
print(classify({"raw": waveform, "sampling_rate": 16000}))
"""


class Contender:
    """A process of speed_peers.py that answers one request at a time."""

    def __init__(self, name: str, kind: str, speech: Path, threads: int, python: str = sys.executable, **options: str):
        self.name = name
        command = [python, str(PROCESS), kind, "--speech", str(speech), "--threads", str(threads)]
        command += [part for key, value in options.items() for part in (f"--{key}", str(value))]
        environment = {**OFFLINE, "OMP_NUM_THREADS": str(threads)}
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self.process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.about = self._read()

    def ask(self, seconds: float = 1.0, batch: int = 1) -> dict:
        """One measurement of `batch` clips of `seconds`."""
        self.process.stdin.write(json.dumps({"seconds": seconds, "batch": batch}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def _read(self) -> dict:
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.name} ended with status {self.process.wait()}; run its command from speed_peers.py.")


def main() -> None:
    options = parse()
    print(f"{len(os.sched_getaffinity(0))} cores; load {os.getloadavg()[0]:.1f} before the run", file=sys.stderr)
    results = {"load": os.getloadavg()[0], "rounds": options.rounds}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        speech = prepare(folder, options.medium)
        results["base"] = [
            result
            for threads in options.threads
            for result in compare(contenders(folder, speech, threads, options), threads, options)
        ]
        if options.medium:
            results["medium"] = medium(folder, speech, options)
        results["peak"] = {threads: peak(speech, threads) for threads in {*options.threads, THREADS[-1]}}
        results["busy"] = busy(folder, speech)
        results["page"] = page(speech, options.threads, options.rounds)
        if options.cold_rounds:
            results["cold"] = cold(folder, options.cold_rounds)
        if options.hour:
            results["hour"] = hour(folder)
    text = report(results)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.write:
        write(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--whisper-model", type=Path, help="whisper-base as a Transformers folder, with its decoder")
    add("--ctranslate2-model", type=Path, help="whisper-base as a CTranslate2 folder")
    add("--peer-python", default=sys.executable, help="an interpreter that has faster-whisper")
    add("--lengths", nargs="+", type=int, default=LENGTHS, help="of clips, in seconds")
    add("--threads", nargs="+", type=int, default=THREADS)
    add("--rounds", type=int, default=7, help="measurements of each clip length")
    add("--batch-rounds", type=int, default=2, help="measurements of 32 clips at once; 0 for none")
    add("--cold-rounds", type=int, default=5, help="starts from nothing; 0 for none")
    add("--no-medium", dest="medium", action="store_false", help="leave whisper-medium's shape out")
    add("--no-hour", dest="hour", action="store_false", help="leave the hour-long file out")
    add("--json", type=Path, help="write all measurements here")
    add("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    options = parser.parse_args()
    for name, path in (("--whisper-model", options.whisper_model), ("--ctranslate2-model", options.ctranslate2_model)):
        if path is None:
            print(f"SKIPPED: the contender that needs {name}, which is not given", file=sys.stderr)
        elif not path.is_dir():
            parser.error(f"{name}: there is no folder {path}")
    if (
        options.ctranslate2_model
        and subprocess.run([options.peer_python, "-c", "import faster_whisper"], stderr=subprocess.DEVNULL).returncode
    ):
        parser.error(f"{options.peer_python} has no faster-whisper; name one that has with --peer-python")
    return options


def prepare(folder: Path, medium: bool) -> Path:
    """The speech all get, and the models of random weights."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification

    from lid import audio
    from lid.model.checkpoint import shorten
    from lid.release.export import export

    names = ("uzbek.mp3", "russian.ogg", "english.m4a")
    speech = folder / "speech.npy"
    np.save(speech, np.concatenate([audio.decode(ROOT / "assets" / "examples" / name) for name in names]))
    labels = {0: "uz", 1: "ru", 2: "en"}
    for name, shape in (("base", BASE), *([("medium", MEDIUM)] if medium else [])):
        model = WhisperForAudioClassification(WhisperConfig(**shape, num_mel_bins=80, id2label=labels)).half()
        model.save_pretrained(folder / f"{name}-stock")
        WhisperFeatureExtractor().save_pretrained(folder / f"{name}-stock")
        shorten(model, WINDOW * 0.02).save_pretrained(folder / f"{name}-ours")
        export(folder / f"{name}-ours")
    return speech


def contenders(folder: Path, speech: Path, threads: int, options: argparse.Namespace) -> list[Contender]:
    """All of whisper-base's size, started and warm."""
    started = [
        Contender("ours", "ours", speech, threads, model=ROOT / "assets" / "model"),
        Contender("ours, PyTorch", "pytorch", speech, threads, model=ROOT / "assets" / "model"),
        Contender("stock", "stock", speech, threads, model=folder / "base-stock"),
    ]
    if options.whisper_model:
        started.append(Contender("Whisper", "detection", speech, threads, model=options.whisper_model))
    if options.ctranslate2_model:
        given = {"python": options.peer_python, "model": options.ctranslate2_model}
        started.append(Contender("faster-whisper", "faster-whisper", speech, threads, **given))
    return started


def compare(started: list[Contender], threads: int, options: argparse.Namespace) -> list[dict]:
    """Each length and then 32 clips of 5 s, in turns; the first answer of each is not counted."""
    plan = [(seconds, 1, options.rounds) for seconds in options.lengths]
    plan += [(5, 32, options.batch_rounds)] if options.batch_rounds else []
    return in_turns(started, plan, threads)


def medium(folder: Path, speech: Path, options: argparse.Namespace) -> list[dict]:
    """whisper-medium's shape: ours against the stock pipeline, on all threads."""
    threads = THREADS[-1]
    started = [
        Contender("ours", "ours", speech, threads, model=folder / "medium-ours"),
        Contender("stock", "stock", speech, threads, model=folder / "medium-stock"),
    ]
    return in_turns(started, [(seconds, 1, 3) for seconds in (5, 10, 30)], threads)


def in_turns(started: list[Contender], plan: list[tuple[float, int, int]], threads: int) -> list[dict]:
    """`plan` has (seconds, batch, rounds) -> medians for each contender and entry."""
    for contender in started:
        contender.ask(5)
    results = []
    for seconds, batch, rounds in plan:
        measured: dict[str, list[dict]] = {contender.name: [] for contender in started}
        for _ in range(rounds):
            for contender in started:
                time.sleep(PAUSE)
                measured[contender.name] += [contender.ask(seconds, batch) for _ in range(1 if batch > 1 else REPEATS)]
        for contender in started:
            of = measured[contender.name]
            result = {"name": contender.name, "threads": threads, "seconds": seconds, "batch": batch, **contender.about}
            result |= {key: median(one[key] for one in of) / batch for key in ("wall", "cpu")}
            results.append(
                result | {"rss": of[-1]["rss"], "said": of[-1]["said"][0], "all": [one["wall"] for one in of]}
            )
            print(
                f"{threads} threads, {batch} x {seconds} s, {contender.name}: {result['wall']:.4f} s", file=sys.stderr
            )
    for contender in started:
        contender.close()
    return results


def peak(speech: Path, threads: int) -> dict[str, float]:
    machine = Contender("peak", "peak", speech, threads)
    found = [machine.ask()["said"] for _ in range(3)]
    machine.close()
    return {name: max(one[name] for one in found) for name in found[0]}


def busy(folder: Path, speech: Path, seconds: float = 5, rounds: int = 7) -> dict[str, float]:
    """How many times slower an answer is on all threads while another program keeps one of the cores busy."""
    threads = THREADS[-1]
    started = [
        Contender("ours", "ours", speech, threads, model=ROOT / "assets" / "model"),
        Contender("ours, PyTorch", "pytorch", speech, threads, model=ROOT / "assets" / "model"),
        Contender("stock", "stock", speech, threads, model=folder / "base-stock"),
    ]
    took: dict[str, list[float]] = {}
    for with_neighbour in (False, True):
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if with_neighbour else None
        for contender in started:
            contender.ask(seconds)
        asked = {c.name: [] for c in started}
        for _ in range(rounds):
            for contender in started:
                asked[contender.name].append(contender.ask(seconds)["wall"])
        for name, walls in asked.items():
            took.setdefault(name, []).append(median(walls))
        if neighbour:
            neighbour.kill()
            neighbour.wait()
    for contender in started:
        contender.close()
    return {name: with_other / alone for name, (alone, with_other) in took.items()}


def page(speech: Path, each: tuple[int, ...], rounds: int) -> dict[int, dict[str, float]]:
    """Seconds from a 10 s file to its answer and all pictures in the running app."""
    found = {}
    for threads in each:
        app = Contender("page", "page", speech, threads, model=ROOT / "assets" / "model")
        app.ask(PAGE_SECONDS)
        asked = [app.ask(PAGE_SECONDS) for _ in range(rounds)]
        found[threads] = {key: median(one[key] for one in asked) for key in ("wall", "cpu")}
        app.close()
    return found


def cold(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds from starting Python to an answer for a 5 s file, once the disk's cache is warm."""
    clip = folder / "clip.wav"
    samples = np.load(folder / "speech.npy")[: 5 * 16_000]
    with wave.open(str(clip), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    commands = {
        "ours": [sys.executable, "-m", "lid", str(clip)],
        "stock": [sys.executable, "-c", COLD_STOCK, str(folder / "base-stock"), str(clip)],
    }
    times: dict[str, list[dict]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            start = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=OFFLINE
            )
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"{command} ended with status {status}")
            spent = usage.ru_utime + usage.ru_stime
            times[name].append({"wall": time.perf_counter() - start, "cpu": spent})
    keys = ("wall", "cpu")
    return {name: {key: median(one[key] for one in all_) for key in keys} for name, all_ in times.items()}


def hour(folder: Path) -> dict[str, float]:
    """An hour-long MP3 through the command line, in a process of its own."""
    example = (ROOT / "assets" / "examples" / "uzbek.mp3").read_bytes()
    file = folder / "hour.mp3"
    file.write_bytes(
        example * int(HOUR / 9.3)
    )  # just under the limit; MP3 frames follow one another, whatever file they come from
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "lid", "--json", str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    peaks = [0]
    while not select.select([process.stdout], [], [], 0.1)[0]:  # until it answers
        peaks.append(peak_memory(process.pid))
    answer = json.loads(process.stdout.read())
    _, _, usage = os.wait4(process.pid, 0)
    return {
        "wall": time.perf_counter() - start,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss": max(peaks),
        "duration": answer["duration_seconds"],
        "speech": answer["speech_seconds"],
    }


def operations(frames: int, shape: dict[str, int], window: int = 1500, mels: int = 80) -> float:
    """Floating-point operations of Whisper's encoder on so many 20 ms frames, in windows of at most `window`."""
    width, layers, wide = shape["d_model"], shape["encoder_layers"], shape["encoder_ffn_dim"]
    convolutions = 2 * frames * (2 * 3 * mels * width + 3 * width * width)
    attention = 4 * frames * min(frames, window) * width
    return convolutions + layers * (2 * frames * (4 * width * width + 2 * width * wide) + attention)


def share_of_peak(result: dict, shape: dict[str, int], peaks: dict) -> str:
    """What part of what the machine can multiply in that precision goes into the encoder."""
    if result["name"].startswith("ours"):
        own = shape | {"encoder_layers": result["layers"]}
        work, precision = operations(result["said"][1], own, WINDOW), result["precision"]
    elif result["name"] == "stock":
        work, precision = operations(1500, shape), "float32"
    else:
        return ""
    best = (peaks.get(result["threads"]) or peaks[str(result["threads"])]).get(precision)
    return f"{work / result['wall'] / best:.0%} {precision}" if best else ""


def report(results: dict) -> str:
    parts = [
        "`python benchmarks/speed.py`: waveform to answer in a running process, for each clip, medians of "
        f"{results['rounds']} rounds in which all contenders took turns, {REPEATS} answers each (fewer for 32 clips at "
        "once). `x` is how many times longer than ours. Stock is Transformers' audio-classification pipeline with "
        "whisper-base's encoder; Whisper and faster-whisper (int8) detect the language with whisper-base, and hear no "
        f"more than the first 30 s. Ours has {results['base'][0]['layers']} of that encoder's {BASE['encoder_layers']} "
        "layers. Memory is the process's peak so far. The share of peak counts the encoder's multiplications alone, "
        "against the fastest large matrix product measured in the same precision on as many threads. Load before the "
        "run: "
        f"{results['load']:.1f}.",
        table(results["base"], BASE, results["peak"]),
    ]
    if missed := targets(results["base"]):
        parts.append(missed)
    if "medium" in results:
        parts += [
            "The same with whisper-medium's shape and random weights:",
            table(results["medium"], MEDIUM, results["peak"]),
        ]
    on_page = ", ".join(
        f"{took['wall']:.2f} s ({took['cpu']:.2f} CPU s) with {threads} threads"
        for threads, took in results["page"].items()
    )
    parts.append(
        f"From a file of {PAGE_SECONDS} s of speech to the page's answer and its five pictures, in the app's process: "
        f"{on_page}."
    )
    if "busy" in results:
        told = ", ".join(f"{name} {times:.1f}x" for name, times in results["busy"].items())
        parts.append(
            "A clip of 5 s while another program keeps one of the cores busy, against the same with both cores free: "
            f"{told}."
        )
    if "cold" in results:
        ours, stock = results["cold"]["ours"], results["cold"]["stock"]
        parts.append(
            f"From starting Python to the answer for a 5 s file: `python -m lid` {ours['wall']:.2f} s "
            f"({ours['cpu']:.2f} CPU s), the stock pipeline "
            f"{stock['wall']:.1f} s ({stock['cpu']:.1f} CPU s): "
            f"{stock['wall'] / ours['wall']:.1f}x."
        )
    if "hour" in results:
        one = results["hour"]
        parts.append(
            f"`python -m lid` on an MP3 of {one['duration'] / 60:.0f} min with {one['speech'] / 60:.0f} min of speech: "
            f"{one['wall']:.0f} s, {one['cpu']:.0f} CPU s, {one['rss'] / 1e6:.0f} MB at most, start included."
        )
    return "\n\n".join(parts)


def table(results: list[dict], shape: dict[str, int], peaks: dict) -> str:
    lines = [
        "| threads | clip | contender | ms | x | CPU ms | peak MB | of matmul peak |",
        "|--:|--:|---|--:|--:|--:|--:|---|",
    ]
    for result in results:
        ours = next(r for r in results if r["name"] == "ours" and _same(r, result))
        clip = f"{result['seconds']} s" if result["batch"] == 1 else f"{result['batch']} x {result['seconds']} s"
        lines.append(
            f"| {result['threads']} | {clip} | {result['name']} | {result['wall'] * 1e3:,.1f} | "
            f"{result['wall'] / ours['wall']:.1f} | {result['cpu'] * 1e3:,.1f} | {result['rss'] / 1e6:,.0f} | "
            f"{share_of_peak(result, shape, peaks)} |"
        )
    return "\n".join(lines)


def targets(results: list[dict]) -> str:
    """How the ratios stand to what was aimed at."""
    lines = ["| threads | clip | against | aimed at | measured | by CPU time |", "|--:|--:|---|--:|--:|--:|"]
    for threads in sorted({r["threads"] for r in results}):
        for seconds, aims in TARGETS.items():
            found = {r["name"]: r for r in results if (r["threads"], r["seconds"], r["batch"]) == (threads, seconds, 1)}
            lines += [
                f"| {threads} | {seconds} s | {name} | {aim}x | {found[name]['wall'] / found['ours']['wall']:.1f}x | "
                f"{found[name]['cpu'] / found['ours']['cpu']:.1f}x |"
                for name, aim in aims.items()
                if name in found
            ]
    return "\n".join(lines)


def _same(one: dict, other: dict) -> bool:
    return all(one[key] == other[key] for key in ("threads", "seconds", "batch"))


def write(text: str) -> None:
    """Replace the section of docs/BENCHMARKS.md, or add it."""
    from benchmark_docs import replace_section

    replace_section("Speed", text)


if __name__ == "__main__":
    main()
