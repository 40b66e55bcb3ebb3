"""Ten thousand damaged and hostile files: each must end in a waveform or in our own exception, soon and in bounds.

    python benchmarks/fuzz.py                      # 10,000 files, numbers into docs/fuzz.json
    python benchmarks/fuzz.py --only 4711          # one case again, with its traceback

Case n is a pure function of its number: a valid file of some container, damaged in one to four ways. A worker process
decodes; this one watches the clock and kills what hangs. A server on 127.0.0.1 and a file on disk are bait for what
playlists and URLs inside a file might make a decoder open.
"""

import argparse
import http.server
import io
import json
import multiprocessing
import resource
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from lid import InputError, audio  # noqa: E402
from lid.data.augment import encode  # noqa: E402

MEMORY = 3 * 1024**3  # bytes a worker may map
MOST_SECONDS = 10.0  # for one file
RECYCLE = 500  # files a worker decodes before a new one takes over, so that a leak shows as growth, not as a crash
ENCODED = (
    ("ogg", "libopus", 48_000, 24_000),
    ("webm", "libopus", 48_000, 24_000),
    ("matroska", "libopus", 48_000, 24_000),
    ("ogg", "libvorbis", 44_100, 64_000),
    ("mp3", "libmp3lame", 44_100, 64_000),
    ("mp3", "libmp3lame", 16_000, 32_000),
    ("mp4", "aac", 44_100, 64_000),
    ("mov", "aac", 22_050, 48_000),
    ("adts", "aac", 16_000, 32_000),
    ("amr", "libopencore_amrnb", 8_000, 12_200),
    ("wav", "pcm_mulaw", 8_000, 64_000),
    ("wav", "adpcm_ima_wav", 16_000, 64_000),
    ("wav", "adpcm_ms", 22_050, 88_000),
    ("caf", "pcm_s16le", 16_000, 256_000),
    ("w64", "pcm_s16le", 16_000, 256_000),
    ("aiff", "pcm_s16be", 16_000, 256_000),
    ("au", "pcm_s16be", 16_000, 256_000),
)
LIES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def valid_files() -> dict[str, bytes]:
    """A short file of every container and codec that is read, by name."""
    spoken = audio.decode(ROOT / "assets" / "examples" / "uzbek.mp3")[: int(1.2 * audio.SAMPLE_RATE)]
    files = {}
    for container, codec, rate, bits in ENCODED:
        pcm = (soxr.resample(spoken, audio.SAMPLE_RATE, rate).clip(-1, 1) * 32767).astype(np.int16)
        try:
            files[f"{container} {codec} {rate}"] = encode(pcm, container, codec, rate, bits)
        except (av.FFmpegError, ValueError) as error:
            print(f"skipped {container} {codec}: {error}", file=sys.stderr)
    for container, subtype in (("WAV", "FLOAT"), ("WAV", "PCM_24"), ("RF64", "PCM_16"), ("FLAC", "PCM_16")):
        files[f"{container} {subtype}"] = _written(spoken, 16_000, container, subtype)
    files["WAV stereo"] = _written(np.stack([spoken, spoken], axis=1), 16_000, "WAV", "PCM_16")
    return files


def traps(address: str, bait: Path) -> dict[str, bytes]:
    """Files that try to make a decoder open something else, count to absurd numbers, or never end."""
    nan = np.full(16_000, np.nan, np.float32)
    nan[::3] = np.inf
    many = np.zeros((2000, 255), np.int16)
    hour24 = io.BytesIO()
    with soundfile.SoundFile(hour24, "w", 8_000, 1, format="FLAC") as file:
        for _ in range(24 * 60):
            file.write(np.zeros(60 * 8_000, np.int16))
    texts = {
        "playlist of the server": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}/a.ts\n#EXT-X-ENDLIST\n",
        "playlist of a file": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{bait}\n#EXT-X-ENDLIST\n",
        "concat of a file": f"ffconcat version 1.0\nfile '{bait}'\n",
        "concat of the server": f"ffconcat version 1.0\nfile {address}/a.wav\n",
        "session description": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        "DASH manifest": f"<?xml version='1.0'?><MPD><Period><BaseURL>{address}/a.mp4</BaseURL></Period></MPD>",
        "a URL": f"{address}/a.wav",
    }
    made = {name: text.encode() for name, text in texts.items()}
    made["NaN and infinity"] = _written(nan, 16_000, "WAV", "FLOAT")
    made["255 channels"] = _written(many, 16_000, "WAV", "PCM_16")
    made["24 hours of silence"] = hour24.getvalue()
    wav = bytearray(_written(np.zeros(16_000, np.int16), 16_000, "WAV", "PCM_16"))
    for name, offset, value in (
        ("4 GHz", 24, 0xFFFFFFFF),
        ("0 Hz", 24, 0),
        ("a chunk of 4 GB", 40, 0xFFFFFFFF),
        ("a header of 4 GB", 16, 0xFFFFFFFF),
    ):
        lie = bytearray(wav)
        struct.pack_into("<I", lie, offset, value)
        made[name] = bytes(lie)
    tagged = io.BytesIO()
    with av.open(tagged, "w", format="mp3") as output:
        output.metadata["comment"] = "x" * 100_000
        stream = output.add_stream("libmp3lame", rate=16_000, layout="mono")
        for packet in stream.encode(None):
            output.mux(packet)
    made["a tag of 100 kB and no sound"] = tagged.getvalue()
    return made


def damaged(number: int, files: list[bytes]) -> bytes:
    """Case `number`: one of `files`, damaged in one to four ways."""
    rng = np.random.default_rng([number, 7])
    data = bytearray(files[rng.integers(len(files))])
    for _ in range(rng.integers(1, 5)):
        if len(data) > 8:
            HARMS[rng.integers(len(HARMS))](data, rng, files)
    return bytes(data)


def _flip_bits(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    for place in rng.integers(len(data), size=rng.integers(1, 64)):
        data[place] ^= 1 << int(rng.integers(8))


def _flip_header(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    for place in rng.integers(min(len(data), 256), size=rng.integers(1, 12)):
        data[place] = int(rng.integers(256))


def _cut(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    del data[int(rng.integers(1, len(data))) :]


def _lie(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    place = int(rng.integers(min(len(data) - 4, 512)))
    struct.pack_into(rng.choice(["<I", ">I"]), data, place, LIES[rng.integers(len(LIES))])


def _splice(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    other = files[rng.integers(len(files))]
    head = int(rng.integers(4, min(len(other), 2048)))
    data[: int(rng.integers(0, min(len(data), 2048)))] = other[:head]


def _repeat(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    start = int(rng.integers(len(data)))
    block = bytes(data[start : start + int(rng.integers(1, 4096))])
    data[start:start] = block * int(rng.integers(1, 20))


def _drop(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 512))]


def _noise(data: bytearray, rng: np.random.Generator, files: list[bytes]) -> None:
    start = int(rng.integers(len(data)))
    block = rng.bytes(int(rng.integers(1, 1024)))
    data[start : start + len(block)] = block


HARMS = (_flip_bits, _flip_header, _cut, _lie, _splice, _repeat, _drop, _noise)


def outcome(data: bytes) -> str:
    """ "decoded", our own exception's reason, or "CRASH: ..." for any other exception."""
    try:
        waveform = audio.decode(data)
    except InputError as error:
        return error.reason
    except Exception:  # that is what is looked for
        return "CRASH: " + traceback.format_exc(limit=-2)
    fine = waveform.ndim == 1 and np.isfinite(waveform).all() and np.abs(waveform).max() <= 1
    return "decoded" if fine else "CRASH: not a waveform"


def _work(files: list[bytes], inbox, outbox) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    while (case := inbox.get()) is not None:
        started = time.perf_counter()
        result = outcome(case if isinstance(case, bytes) else damaged(case, files))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        outbox.put((result, time.perf_counter() - started, peak))


class Worker:
    """A process that decodes one case at a time, and is replaced when it hangs, dies or has done its share."""

    def __init__(self, files: list[bytes]):
        self.files, self.done, self.process = files, 0, None
        self.context = multiprocessing.get_context("spawn")

    def decode(self, case: bytes | int) -> tuple[str, float, float]:
        """Outcome, seconds, and the process's peak memory in MB."""
        if self.process is None or self.done >= RECYCLE:
            self._replace()
        self.done += 1
        self.inbox.put(case)
        deadline = time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            try:
                return self.outbox.get(timeout=0.2)
            except multiprocessing.queues.Empty:
                if not self.process.is_alive():
                    code, self.process = self.process.exitcode, None
                    return f"DIED: exit code {code}", 0.0, 0.0
        self.process.kill()
        self.process = None
        return "HUNG", MOST_SECONDS, 0.0

    def _replace(self) -> None:
        self.close()
        self.inbox, self.outbox, self.done = self.context.Queue(), self.context.Queue(), 0
        self.process = self.context.Process(target=_work, args=(self.files, self.inbox, self.outbox), daemon=True)
        self.process.start()

    def close(self) -> None:
        if self.process is not None:
            self.inbox.put(None)
            self.process.join(5)
            self.process.kill()


touched: list[str] = []  # what was asked of the bait server


class Bait(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        touched.append(self.path)
        self.send_error(404)

    def log_message(self, *arguments) -> None:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--only", type=int, help="run this case here and print what comes of it")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "fuzz.json")
    options = parser.parse_args()
    originals = valid_files()
    files = list(originals.values())
    if options.only is not None:
        print(outcome(damaged(options.only, files)))
        return 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bait)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        bait = Path(folder) / "bait.wav"
        bait.write_bytes(_written(np.full(32_000, 0.5, np.float32), 16_000, "WAV", "PCM_16"))
        cases = {
            **{f"valid: {name}": data for name, data in originals.items()},
            **traps(f"http://127.0.0.1:{server.server_port}", bait),
            **{f"case {number}": number for number in range(options.files)},
        }
        results = run(cases, files)
    summary = summarise(results) | {"addresses_touched": len(touched), "containers": len(originals)}
    options.output.write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))
    return 1 if summary["failures"] or touched else 0


def run(cases: dict[str, bytes | int], files: list[bytes]) -> dict[str, tuple[str, float, float]]:
    """Each case's outcome, seconds and memory; a line now and then says how far it is."""
    worker, results, started = Worker(files), {}, time.monotonic()
    for count, (name, case) in enumerate(cases.items(), 1):
        results[name] = worker.decode(case)
        if count % 1000 == 0:
            print(f"{count}/{len(cases)} files, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    worker.close()
    return results


def summarise(results: dict[str, tuple[str, float, float]]) -> dict:
    """Counts by outcome, the slowest and the largest, and every failure by name."""
    loud = ("CRASH", "DIED", "HUNG")
    failures = {name: result for name, (result, _, _) in results.items() if result.startswith(loud)}
    failures |= {
        name: f"should have been decoded, was {result}"
        for name, (result, _, _) in results.items()
        if name.startswith("valid:") and result != "decoded"
    }
    seconds = [one for _, one, _ in results.values()]
    slowest = max(results, key=lambda name: results[name][1])
    return {
        "files": len(results),
        "outcomes": dict(Counter(result.partition(":")[0] for result, _, _ in results.values()).most_common()),
        "failures": failures,
        "median_ms": round(1000 * float(np.median(seconds)), 1),
        "slowest_seconds": round(max(seconds), 2),
        "slowest": slowest,
        "peak_memory_mb": round(max(peak for _, _, peak in results.values())),
    }


def _written(samples: np.ndarray, rate: int, container: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
