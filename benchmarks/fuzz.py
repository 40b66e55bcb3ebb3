"""Ten thousand damaged and hostile files: each must end in a waveform or in our own exception, soon and in bounds.

    python benchmarks/fuzz.py --write              # 10,000 files, numbers into docs/ROBUSTNESS.md
    python benchmarks/fuzz.py --only 4711          # one case again, with its traceback

Case n is a pure function of its number: a valid file of some container, or one of tests/hostile.py, damaged in one to
four ways. A process decodes as the decoder process does, within the same limits; this one watches the clock and kills
what hangs. On Linux the kernel kills it when it tries to open a file, reach a network or start a program (seccomp), so
one that lives has done none of that.
"""

import argparse
import ctypes
import multiprocessing
import platform
import resource
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av.subtitles.codeccontext  # noqa: F401 - PyAV loads it with the first stream of subtitles
import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from lid import InputError, audio  # noqa: E402
from lid.audio import decoding, worker  # noqa: E402
from lid.audio.limits import CPU_SECONDS, MEMORY_BYTES, too_costly  # noqa: E402
from lid.audio.messages import Tracks  # noqa: E402
from tests import hostile, recordings  # noqa: E402

MOST_SECONDS = 120.0  # after which a file counts as hung
RECYCLE = 500  # files a worker decodes before a new one takes over
MOST_BYTES = 200_000  # of a file that is damaged further
ENCODED = (
    ("ogg", "libopus", 48_000),
    ("webm", "libopus", 48_000),
    ("matroska", "libmp3lame", 32_000),
    ("mp3", "libmp3lame", 44_100),
    ("mp3", "libmp3lame", 16_000),
    ("mp4", "aac", 44_100),
    ("mov", "aac", 22_050),
    ("mov", "alac", 44_100),
    ("adts", "aac", 16_000),
    ("amr", "libopencore_amrnb", 8_000),
    ("wav", "pcm_mulaw", 8_000),
    ("wav", "adpcm_ima_wav", 16_000),
    ("wav", "adpcm_ms", 22_050),
    ("caf", "pcm_s16le", 16_000),
    ("caf", "alac", 16_000),
    ("w64", "pcm_s16le", 16_000),
    ("aiff", "pcm_s16be", 16_000),
    ("au", "pcm_s16be", 16_000),
    ("asf", "wmav1", 16_000),
    ("asf", "wmav2", 44_100),
    ("asf", "libmp3lame", 22_050),
    ("avi", "libmp3lame", 16_000),
    ("avi", "pcm_s16le", 16_000),
    ("avi", "adpcm_ms", 22_050),
    ("mpegts", "aac", 16_000),
    ("mpegts", "mp2", 16_000),
    ("flv", "libmp3lame", 22_050),
    ("flv", "aac", 44_100),
    ("flv", "nellymoser", 16_000),
)
LIES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
FORBIDDEN = (  # x86-64's numbers of: open, openat, openat2, creat, socket, connect, execve, execveat, fork, vfork,
    *(2, 257, 437, 85, 41, 42, 59, 322, 57, 58),
    *(82, 264, 316, 83, 258, 84, 87, 263, 86, 265, 88, 266, 76, 425),  # what changes folders, truncate, io_uring_setup
)
M_ARENA_MAX = -8  # of mallopt(3): how many heaps
KILLED_BY_KERNEL = -31  # exit code of a process that did what is forbidden: SIGSYS


def valid_files() -> dict[str, bytes]:
    """A short file of every container and codec that is read, by name; some with a cover and chapters."""
    spoken = recordings.voice("uz", 1.2)
    files = {
        f"{container} {codec} {rate}": recordings.encoded([spoken], container, codec, rate)
        for container, codec, rate in ENCODED
    }
    for container, subtype in (("WAV", "FLOAT"), ("WAV", "PCM_24"), ("RF64", "PCM_16"), ("FLAC", "PCM_16")):
        files[f"{container} {subtype}"] = recordings.wav(spoken, 16_000, subtype, container)
    for what, other in (("same", spoken), ("opposite", -spoken), ("two", spoken[::-1])):
        files[f"WAV stereo, {what}"] = recordings.wav(recordings.stereo(spoken, other))
    files["WAV of int16 numbers in floats"] = recordings.wav(spoken * 2**15, subtype="FLOAT")
    files["SPHERE"] = recordings.sphere(spoken)
    files["GSM"] = recordings.gsm(60)
    quiet = recordings.silence(1.2)
    files["mp4 of two tracks"] = recordings.encoded([quiet, spoken], "mp4", "aac")
    files["matroska of two tracks"] = recordings.encoded([quiet, spoken], "matroska", "libopus", 48_000)
    picture = b"\0image/png\0\x03\0\x89PNG\r\n\x1a\n" + bytes(2000)
    chapter = b"one\0" + struct.pack(">4I", 0, 600, 0xFFFFFFFF, 0xFFFFFFFF)
    files["mp3 with cover and chapter"] = (
        hostile.id3({b"APIC": picture, b"CHAP": chapter}) + files["mp3 libmp3lame 16000"]
    )
    files["mp4 with chapters"] = recordings.encoded([spoken], "mp4", "aac", chapters=20)
    return files


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


def outcome(data: bytes, process: worker.Process) -> str:
    """ "decoded", our own exception's reason, or "CRASH: ..." for any other exception."""
    process.begin(CPU_SECONDS, len(data))
    try:
        waveform = read(data, process).waveform
    except InputError as error:
        return error.reason
    except MemoryError:
        return too_costly().reason
    except Exception as error:  # that is what is looked for
        return f"CRASH: {type(error).__name__}: {error}"
    fine = waveform.ndim == 1 and np.isfinite(waveform).all() and np.abs(waveform).max() <= 1
    return "decoded" if fine else "CRASH: not a waveform"


def read(data: bytes, process: worker.Process) -> audio.Recording:
    """As `lid.audio.read`, without a process in between; of several tracks the first."""

    def parts(track: int | None) -> Iterator:
        for part in decoding.decode(data, audio.DEFAULT_LIMITS, track):
            if isinstance(part, np.ndarray):
                process.earn(part.shape[1])
            yield part

    found = audio._gathered(parts(None), None)
    if isinstance(found, Tracks):
        found = audio._gathered(parts(found.numbers[0]), found.numbers[0])
    return found


def seal() -> None:
    """From now on the kernel kills this process when it tries to open a file, reach a network or start a program.

    A filter as in seccomp(2): load the system call's number, compare it with each of FORBIDDEN, allow the rest.
    """
    load, equal, end, kill, allow = 0x20, 0x15, 0x06, 0x80000000, 0x7FFF0000
    steps = [(load, 0, 0, 0), *((equal, len(FORBIDDEN) - i, 0, call) for i, call in enumerate(FORBIDDEN))]
    steps += [(end, 0, 0, allow), (end, 0, 0, kill)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    pointer = struct.pack("<H6xQ", len(steps), ctypes.addressof(program))
    no_new_privileges, filtered = libc.prctl(38, 1, 0, 0, 0), libc.prctl(22, 2, pointer, 0, 0)
    if no_new_privileges or filtered:
        raise OSError(ctypes.get_errno(), "the kernel takes no seccomp filter")


def can_seal() -> bool:
    return platform.system() == "Linux" and platform.machine() == "x86_64"


def _work(files: list[bytes], sealed: bool, pipe) -> None:
    if sealed:  # glibc itself opens /proc/sys/vm/overcommit_memory when it shrinks a heap that is not the first
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    process = worker.Process()
    for data in files:  # loads what is loaded on first use; `import av...` above loads the rest
        outcome(data, process)
    process = worker.Process()
    if sealed:
        seal()
    while (case := pipe.recv()) is not None:
        if case == "open":
            open("/etc/hostname")  # noqa: SIM115 - to see that the seal holds
        data = case if isinstance(case, bytes) else damaged(case, files)
        started = time.process_time()
        result = outcome(data, process)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send((result, time.process_time() - started, peak))


class Worker:
    """A process that decodes one case at a time, and is replaced when it hangs, dies or has done its share."""

    def __init__(self, files: list[bytes], sealed: bool):
        self.files, self.sealed, self.done, self.process = files, sealed, 0, None
        self.context = multiprocessing.get_context("spawn")

    def decode(self, case: bytes | int | str) -> tuple[str, float, float]:
        """Outcome, CPU seconds, and the process's peak memory in MB."""
        if self.process is None or self.done >= RECYCLE:
            self._replace()
        self.done += 1
        self.pipe.send(case)
        try:
            if self.pipe.poll(MOST_SECONDS):
                return self.pipe.recv()
            return self._gone("HUNG")
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            if code == -signal.SIGXCPU:
                return self._gone(too_costly().reason)
            return self._gone("TOUCHED" if code == KILLED_BY_KERNEL else f"DIED: exit code {code}")

    def _gone(self, how: str) -> tuple[str, float, float]:
        self.process.kill()
        self.process = None
        return how, 0.0, 0.0

    def _replace(self) -> None:
        self.close()
        self.pipe, theirs = self.context.Pipe()
        self.process = self.context.Process(target=_work, args=(self.files, self.sealed, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.done = 0

    def close(self) -> None:
        if self.process is not None:
            self.pipe.send(None)
            self.process.join(5)
            self.process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, help="run this case here and print what comes of it")
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/ROBUSTNESS.md")
    options = parser.parse_args()
    originals, worst = valid_files(), hostile.files()
    files = [*originals.values(), *(data for data in worst.values() if len(data) < MOST_BYTES)]
    if options.only is not None:
        print(read(damaged(options.only, files), worker.Process()).seconds)
        return 0
    cases = {
        **{f"valid: {name}": data for name, data in originals.items()},
        **worst,
        **{f"case {number}": number for number in range(options.files)},
    }
    sealed = can_seal()
    if sealed and Worker(files, sealed).decode("open")[0] != "TOUCHED":
        sys.exit("fuzz: the seal does not hold; nothing would be proved.")
    results = run(cases, [Worker(files, sealed) for _ in range(options.workers)])
    failures = find_failures(results)
    text = as_markdown(results, len(failures), sealed, len(originals))
    print(text, *(f"{name}: {what}" for name, what in failures.items()), sep="\n")
    if options.write:
        replace_section("Hostile files", text, ROOT / "docs" / "ROBUSTNESS.md")
    return 1 if failures else 0


def run(cases: dict[str, bytes | int], workers: list[Worker]) -> dict[str, tuple[str, float, float]]:
    """Each case's outcome, CPU seconds and memory; the workers share the cases out among them."""
    names = list(cases)

    def share(index: int) -> dict[str, tuple[str, float, float]]:
        results = {name: workers[index].decode(cases[name]) for name in names[index :: len(workers)]}
        workers[index].close()
        return results

    with ThreadPoolExecutor(len(workers)) as pool:
        shares = list(pool.map(share, range(len(workers))))
    return {name: result for results in shares for name, result in results.items()}


def find_failures(results: dict[str, tuple[str, float, float]]) -> dict[str, str]:
    """Name -> what went wrong."""
    loud = ("CRASH", "DIED", "HUNG", "TOUCHED")
    failures = {name: result for name, (result, _, _) in results.items() if result.startswith(loud)}
    refused = {
        name: f"should have been decoded, was {result}"
        for name, (result, _, _) in results.items()
        if name.startswith("valid:") and result != "decoded"
    }
    return failures | refused


def as_markdown(results: dict[str, tuple[str, float, float]], failures: int, sealed: bool, originals: int) -> str:
    seconds = sorted((taken, name) for name, (_, taken, _) in results.items())
    outcomes = Counter(result.partition(":")[0] for result, _, _ in results.values())
    touched = outcomes["TOUCHED"] if sealed else "not watched on this machine"
    rows = {
        "files": f"{len(results):,}",
        "kinds of valid file they were made from": originals,
        **{f"ended as `{reason}`": f"{count:,}" for reason, count in outcomes.most_common()},
        "crashes, deaths, hangs, valid files refused": failures,
        "tries to open a file, reach a network, or start a program": touched,
        "median ms of CPU": f"{1000 * seconds[len(seconds) // 2][0]:.1f}",
        f"most CPU seconds ({seconds[-1][1]})": f"{seconds[-1][0]:.1f}",
        "most memory of the process, MB": f"{max(peak for _, _, peak in results.values()):.0f}",
        "memory it may map on top of its libraries', MB": MEMORY_BYTES // 1024**2,
    }
    table = "\n".join(f"| {what} | {number} |" for what, number in rows.items())
    return (
        "`python benchmarks/fuzz.py --write`: valid files of every container and the worst that are known, damaged by "
        "bit flips, cuts, splices, repeats and lying numbers. `decoded` is a waveform, also of what could be read of a "
        f"damaged file; the other endings are the reasons of a sentence.\n\n| | |\n|---|--:|\n{table}"
    )


if __name__ == "__main__":
    sys.exit(main())
