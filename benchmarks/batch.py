"""`lid batch` measured: audio hours an hour on 1 and 2 workers, what the engine costs, memory, a cluster, kills, tiny
files.

    python benchmarks/batch.py --write                # all of it; numbers into docs/SCALE.md
    python benchmarks/batch.py speed --recordings 40  # one part, small

Recordings are made: the synthetic examples in turn, cut to any length. Every part runs the command in a process of its
own, as a user does; Ray starts and ends with it.
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow.dataset
import soundfile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_docs import replace_section  # noqa: E402
from lid import audio  # noqa: E402
from tests.batch import machines  # noqa: E402

SCALE = ROOT / "docs" / "SCALE.md"
CALL = 180.0  # seconds of a recording, as a call centre has them
MACHINE_CORES, CORE_HOUR = 32, 0.04  # of the plan; USD
WATCH_SECONDS = 5.0  # between two looks at the processes' memory: each stops them for some hundredths of a second
WORKERS = "MapWorker"  # in the names of Ray's processes that answer
COSTS = ("seconds", "cpu_seconds", "gpu_seconds")
PARTS = ("speed", "cluster", "overhead", "kills", "tiny", "long")
LOOP = """
import sys, time
from pathlib import Path
from lid import audio, runtime
from lid.identify import LanguageIdentifier
runtime.use_threads(1)
model = LanguageIdentifier.load()
files = sorted(Path(sys.argv[1]).iterdir())[int(sys.argv[2]) :: int(sys.argv[3])]
began = time.perf_counter()
for file in files:
    model.identify(audio.read(file)).to_dict()
print(time.perf_counter() - began)
"""


def recordings(folder: Path, count: int, seconds: float) -> Path:
    """`count` recordings of so many seconds each, as MP3: each begins elsewhere in the examples."""
    folder.mkdir(parents=True)
    names = ("uzbek.mp3", "russian.ogg", "english.m4a")
    voices = [audio.decode(ROOT / "assets" / "examples" / name) for name in names]
    length = int(seconds * audio.SAMPLE_RATE)
    kinds = 12 if seconds <= 60 else 3  # to encode a long one takes a while
    for kind in range(min(count, kinds)):
        file = io.BytesIO()
        sound = np.resize(np.roll(voices[kind % 3], -kind * audio.SAMPLE_RATE // 2), length)
        soundfile.write(file, sound, audio.SAMPLE_RATE, format="MP3")
        for number in range(kind, count, kinds):
            (folder / f"{number:06}.mp3").write_bytes(file.getvalue())
    return folder


class Run:
    """The command, as it runs: its seconds, its summary, and what its processes hold."""

    def __init__(self, *arguments: str | Path, part_seconds: float | None = None):
        code = (
            "import sys, lid.batch; lid.batch.PART_SECONDS = float(sys.argv[1]); sys.exit(lid.batch.main(sys.argv[2:]))"
        )
        command = [sys.executable, "-c", code, str(part_seconds or 30), *map(str, arguments), "--json", "--quiet"]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log)
        self.memory: list[float] = []  # MB of each worker with its decoders, each time
        self.own: list[float] = []  # MB of the process that was started by hand
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def workers(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            everybody = psutil.Process(self.process.pid).children(recursive=True)
            return [one for one in everybody if WORKERS in _name(one)]
        return []

    def _watch(self) -> None:
        while self.process.poll() is None:
            with contextlib.suppress(psutil.Error):
                self.own.append(_megabytes(psutil.Process(self.process.pid)))
                self.memory += [sum(map(_megabytes, (one, *one.children(recursive=True)))) for one in self.workers()]
            time.sleep(WATCH_SECONDS)

    def end(self) -> dict:
        said = self.process.communicate()[0]
        self._watcher.join()
        if self.process.returncode:
            self._log.seek(0)
            raise SystemExit(self._log.read().decode(errors="replace")[-2000:])
        return json.loads(said)


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _megabytes(process: psutil.Process) -> float:
    """What only this process holds, and its share of what several hold; 0 when it is gone."""
    with contextlib.suppress(psutil.Error):
        return process.memory_full_info().pss / 1e6
    return 0.0


def rows(folder: Path) -> dict[str, dict]:
    """Rows without costs, by path. Raises ValueError where a recording has two."""
    table = pyarrow.dataset.dataset(sorted(folder.glob("part-*")), format="parquet").to_table().drop(list(COSTS))
    listed = table.to_pylist()
    found = {row["path"]: row for row in listed}
    if len(found) < len(listed):
        raise ValueError("a recording was answered twice")
    return found


def answering_seconds(run: Run, folder: Path) -> float:
    """From the first worker's appearance on: without the start of Ray, which does not grow with the work."""
    while run.process.poll() is None and not run.workers():
        time.sleep(0.1)
    began = time.monotonic()
    run.process.wait()
    return time.monotonic() - began


def bare(source: Path, loops: int = 1) -> float:
    """Seconds for all files of a folder in so many bare loops side by side, without the time to start them."""
    command = [sys.executable, "-c", LOOP, str(source)]
    running = [
        subprocess.Popen([*command, str(number), str(loops)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in range(loops)
    ]
    return max(float(one.communicate()[0]) for one in running)


def speed(folder: Path, count: int) -> list[str]:
    """Audio hours an hour of wall time, at 1 and 2 workers; memory of a worker; what that means for a million."""
    source = recordings(folder / "speed", count, CALL)
    some = recordings(folder / "some", max(2, count // 5), CALL)
    scale = bare(some) / bare(some, 2)
    lines, hours = [], {}
    for workers in (1, 2):
        run = Run(source, "--output", folder / f"speed-{workers}", "--workers", workers)
        seconds = answering_seconds(run, folder)
        told = run.end()["this_run"]
        hours[workers] = told["hours"] / seconds * 3600
        lines.append(
            f"| {workers} | {told['recordings']:,} | {told['hours']:.1f} | {seconds:.0f} | {hours[workers]:.0f} | "
            f"{told['cpu_seconds_per_hour_of_audio']:.1f} | {max(run.memory):.0f} |"
        )
    size = sum(part.stat().st_size for part in (folder / "speed-2").glob("part-*"))
    head = ["| workers | recordings | audio hours | s | audio hours / hour | CPU s / audio hour | MB a worker |"]
    return [
        f"{count} recordings of {CALL:.0f} s, after Ray has started; {load()}. Two workers are "
        f"{hours[2] / hours[1]:.2f} times as fast as one; two bare loops side by side, without the engine, are "
        f"{scale:.2f} times as fast as one here.",
        "",
        *head,
        "|--:|--:|--:|--:|--:|--:|--:|",
        *lines,
        "",
        *plan(told["cpu_seconds_per_hour_of_audio"], size / count),
    ]


def plan(cpu_seconds: float, row_bytes: float) -> list[str]:
    """CPU seconds for an hour of audio, and bytes of a row -> machines, hours and money for very many recordings."""
    lines = []
    for count in (1_000_000, 100_000_000):
        hours = count * CALL / 3600
        cores = hours * cpu_seconds / 3600
        for several in (1, 10, 100):
            wall = cores / (several * MACHINE_CORES)
            lines.append(
                f"| {count:,} | {hours:,.0f} | {cores:,.0f} | {several} | {wall:,.1f} | {cores * CORE_HOUR:,.0f} | "
                f"{count * row_bytes / 1e9:,.1f} |"
            )
    return [
        f"At that cost, with machines of {MACHINE_CORES} cores like these, {CORE_HOUR} USD for an hour of a core (an "
        "assumption: look at your own bill; machines that may be taken away cost about a third):",
        "",
        "| recordings of 3 minutes | audio hours | core hours | machines | hours | USD | GB of rows |",
        "|--:|--:|--:|--:|--:|--:|--:|",
        *lines,
    ]


def cluster(folder: Path, count: int) -> list[str]:
    """Two nodes of a Ray cluster with one worker each, on this machine; the recordings on its disk, then in a store
    like S3."""
    source = recordings(folder / "cluster", count, CALL)
    told, answers = {}, []
    with machines.store() as files, machines.two_nodes() as address:
        files.mkdir("s3://calls")
        files.put(str(source), "s3://calls/all", recursive=True)
        for place, inputs in (("disk", str(source)), ("store", "s3://calls/all/")):
            told[place] = Run(inputs, "--output", folder / place, "--address", address).end()["this_run"]
            answers.append([row["probabilities"] for _, row in sorted(rows(folder / place).items())])
    return [
        f"{count} recordings of {CALL:.0f} s on two nodes of one worker each; {load()}. From the disk "
        f"{told['disk']['seconds']:.0f} s with the start, {told['disk']['cpu_seconds']:.0f} CPU s; from a server like "
        f"S3 (moto, which wants the same two cores) {told['store']['seconds']:.0f} s, "
        f"{told['store']['cpu_seconds']:.0f} CPU s. The answers are "
        f"{'the same' if answers[0] == answers[1] else 'not the same'}.",
    ]


def overhead(folder: Path, count: int) -> list[str]:
    """One worker against a bare loop over the same files, in CPU seconds as well, which others do not change."""
    source = recordings(folder / "overhead", count, 20.0)
    before = os.times()
    alone = bare(source)
    after = os.times()
    cpu = (after[2] + after[3]) - (before[2] + before[3])
    run = Run(source, "--output", folder / "overhead-out", "--workers", 1)
    seconds = answering_seconds(run, folder)
    told = run.end()["this_run"]
    return [
        f"{count:,} recordings of 20 s; {load()}. A bare loop in one process: {alone:.0f} s, {cpu:.0f} CPU s with its "
        f"start. One worker: {seconds:.0f} s from its start to the last row, {told['cpu_seconds']:.0f} CPU s: "
        f"{seconds / alone - 1:+.0%} of time, {told['cpu_seconds'] / cpu - 1:+.0%} of CPU time.",
    ]


def kills(folder: Path, count: int, times: int) -> list[str]:
    """kill -9 of a worker or of the command at random moments; then its rows against an undisturbed run's."""
    source = recordings(folder / "kills", count, 20.0)
    Run(source, "--output", folder / "undisturbed").end()
    random.seed(0)
    killed = {"worker": 0, "command": 0}
    runs = 0
    while sum(killed.values()) < times or not runs:
        runs += 1
        run = Run(source, "--output", folder / "killed", part_seconds=2)
        while not run.workers() and run.process.poll() is None:
            time.sleep(0.2)
        while run.process.poll() is None and sum(killed.values()) < times:
            time.sleep(random.uniform(0.5, 6))
            kind = random.choice(("worker", "command"))
            victims = run.workers() if kind == "worker" else [run.process]
            if victims and run.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(random.choice(victims).pid, signal.SIGKILL)
                    killed[kind] += 1
            if kind == "command":
                break
        run.process.wait()
        if run.process.returncode == 0:
            shutil.copytree(folder / "killed", folder / f"finished-{runs}")
            if sum(killed.values()) < times:
                shutil.rmtree(folder / "killed")
    Run(source, "--output", folder / "killed").end()
    finished = [folder / "killed", *folder.glob("finished-*")]
    same = sum(rows(one) == rows(folder / "undisturbed") for one in finished)
    return [
        f"{count} recordings of 20 s; `kill -9` of a worker {killed['worker']} times and of the command "
        f"{killed['command']} times at random moments, each time gone on with the same command: "
        f"{same} of {len(finished)} outputs hold the rows of an undisturbed run, each once.",
    ]


def tiny(folder: Path, count: int) -> list[str]:
    """Very many very short recordings: what listing them takes, and whether memory grows."""
    source = recordings(folder / "tiny", count, 0.5)
    run = Run(source, "--output", folder / "tiny-out", part_seconds=10)
    seconds = answering_seconds(run, folder)
    told = run.end()["this_run"]
    began = time.monotonic()
    Run(source, "--output", folder / "tiny-out").end()
    again = time.monotonic() - began
    third = len(run.own) // 3
    thirds = [statistics.mean(run.own[third * number : third * (number + 1)]) for number in range(3)]
    found = len(rows(folder / "tiny-out"))
    return [
        f"{found:,} recordings of half a second on {told['workers']} workers; {load()}. {seconds:.0f} s, "
        f"{found / seconds:.0f} recordings a second. The command itself holds {thirds[0]:.0f} MB on average in the "
        f"first third of the time, {thirds[1]:.0f} MB in the second, {thirds[2]:.0f} MB in the last; a worker at most "
        f"{max(run.memory):.0f} MB. The same command again lists them all and finds nothing to do in {again:.1f} s.",
    ]


def long(folder: Path, count: int) -> list[str]:
    """One recording of two hours among others of three minutes, on two workers."""
    source = recordings(folder / "long", count, CALL)
    whole = recordings(folder / "two-hours", 1, 7200.0)
    shutil.move(whole / "000000.mp3", source / "zz-two-hours.mp3")
    run = Run(source, "--output", folder / "long-out", "--workers", 2)
    seconds = answering_seconds(run, folder)
    told = run.end()["this_run"]
    table = pyarrow.dataset.dataset(sorted((folder / "long-out").glob("part-*")), format="parquet").to_table()
    taken = {row["path"]: row["seconds"] for row in table.select(["path", "seconds"]).to_pylist()}
    longest = taken[str(source / "zz-two-hours.mp3")]
    return [
        f"{count} recordings of {CALL:.0f} s and one of two hours on two workers; {load()}. The long one took "
        f"{longest:.0f} s, all together {seconds:.0f} s, {sum(taken.values()) / 2:.0f} s being half of what they took "
        f"one by one. A worker held {max(run.memory):.0f} MB at most. {told['recordings']} rows.",
    ]


def load() -> str:
    return f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


TITLES = {
    "speed": "Speed and memory",
    "cluster": "A cluster, and a store",
    "overhead": "What the engine costs",
    "kills": "Kills",
    "tiny": "Many tiny recordings",
    "long": "One long recording among short ones",
}


@contextlib.contextmanager
def workshop() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lid-benchmark-") as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all of them by default")
    parser.add_argument("--recordings", type=int, help="in place of each part's own number")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="put the numbers into docs/SCALE.md")
    options = parser.parse_args()
    parts = {
        "speed": lambda folder: speed(folder, options.recordings or 200),
        "cluster": lambda folder: cluster(folder, options.recordings or 60),
        "overhead": lambda folder: overhead(folder, options.recordings or 2000),
        "kills": lambda folder: kills(folder, options.recordings or 400, options.kills),
        "tiny": lambda folder: tiny(folder, options.recordings or 100_000),
        "long": lambda folder: long(folder, options.recordings or 80),
    }
    for name in options.parts or PARTS:
        with workshop() as folder:
            text = "\n".join(parts[name](folder))
        print(f"{TITLES[name]}: {text}", flush=True)
        if options.write:
            replace_section(TITLES[name], f"`python benchmarks/batch.py {name}`: {text}", SCALE)


if __name__ == "__main__":
    main()
