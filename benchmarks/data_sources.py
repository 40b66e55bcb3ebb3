"""How fast each kind of source gives clips, in how much memory: `python benchmarks/data_sources.py --gigabytes 100`.

A server on 127.0.0.1, in a process of its own, makes up a Common Voice archive of any size while it sends it, so that
none of it is ever on disk; `--cut-every` makes it drop the connection after so many megabytes. Each case runs in a
fresh process, whose peak memory and processor time are its own. `bare gunzip` is what no reader of a .tar.gz can beat:
the same bytes unpacked and forgotten. Memory grows, if at all, with the number of clips: `--clip-bytes 2000` packs as
many as English has, two million, into 4 GB.
"""

import argparse
import io
import json
import os
import re
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from lid.data.sources.selection import Selector
from lid.data.sources.spec import load_clips, parse_sources
from lid.data.sources.tar_stream import BLOCK, unpack

CLIP_BYTES = int(os.environ.get("BENCHMARK_CLIP_BYTES", 40_000))  # a Common Voice clip has about 40 KB
BATCH = 100  # rows of a table made at once
PER_SPEAKER = 50
FINITE = 4000  # clips of the cases that lie on disk
WANT = 2000  # clips of the cases that stop early
TITLES = b"client_id\tpath\tsentence_id\tsentence\tup_votes\tlocale\n"


# --- the archive that is made up ---


@dataclass(frozen=True)
class Region:
    """`count` units of the same encoded `size`; `make(index)` gives (what is sent, what it unpacks to)."""

    count: int
    size: int
    make: Callable[[int], tuple[bytes, bytes]]


def stored(data: bytes, last: bool = False) -> bytes:
    """A deflate block that holds up to 65,535 bytes as they are (RFC 1951, 3.2.4)."""
    return struct.pack("<BHH", last, len(data), len(data) ^ 0xFFFF) + data


def header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(f"cv-corpus-0.0/en/{name}")
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def constant(data: bytes, last: bool = False) -> Region:
    encoded = stored(data, last)
    return Region(1, len(encoded), lambda index: (encoded, data))


def clip_name(number: int) -> str:
    return f"common_voice_en_{number:010d}.mp3"


def row(number: int) -> bytes:
    speaker = f"{number // PER_SPEAKER * 7919 % 10**12:0128x}"
    return f"{speaker}\t{clip_name(number)}\t{number:064x}\tA sentence of usual length is here.\t2\ten\n".encode()


def duration(number: int) -> bytes:
    return f"{clip_name(number)}\t5040\n".encode()


def table(name: str, titles: bytes, line: Callable[[int], bytes], clips: int) -> list[Region]:
    size = len(titles) + clips * len(line(0))

    def batch(index: int) -> tuple[bytes, bytes]:
        data = b"".join(map(line, range(index * BATCH, (index + 1) * BATCH)))
        return stored(data), data

    rows = Region(clips // BATCH, len(batch(0)[0]), batch)
    return [constant(header(name, size) + titles), rows, constant(bytes(-size % 512))]


def archive(clips: int, tables_first: bool) -> list[Region]:
    """The whole .tar.gz but for its last 8 bytes. Its clips unpack at the speed of real ones: coded, hardly smaller."""
    noise = np.random.default_rng(0).integers(0, 240, CLIP_BYTES, dtype=np.uint8).tobytes()
    deflate = zlib.compressobj(6, wbits=-15)
    packed = deflate.compress(noise) + deflate.flush(zlib.Z_FULL_FLUSH)
    padding = bytes(-CLIP_BYTES % 512)

    def clip(index: int) -> tuple[bytes, bytes]:
        head = header(f"clips/{clip_name(index)}", CLIP_BYTES)
        return stored(head) + packed + stored(padding), head + noise + padding

    tables = [
        *table("validated.tsv", TITLES, row, clips),
        *table("clip_durations.tsv", b"clip\tduration[ms]\n", duration, clips),
    ]
    body = [Region(clips, len(clip(0)[0]), clip)]
    start = Region(1, 10, lambda index: (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b""))
    return [start, *(tables + body if tables_first else body + tables), constant(bytes(1024), last=True)]


class Endless:
    """An archive to be sent from any byte on. Each unit is checksummed when it is first made, which is in order."""

    def __init__(self, clips: int, tables_first: bool):
        self.regions = archive(clips, tables_first)
        self.size = sum(region.count * region.size for region in self.regions) + 8
        self.crc, self.unpacked, self.summed = 0, 0, 0

    def read_from(self, offset: int) -> Iterator[bytes]:
        place, number = 0, 0  # of the unit: its first byte, its place in the order of all
        for region in self.regions:
            first = min(max((offset - place) // region.size, 0), region.count)
            for index in range(first, region.count):
                encoded, data = region.make(index)
                if number + index == self.summed:
                    self.crc, self.unpacked = zlib.crc32(data, self.crc), self.unpacked + len(data)
                    self.summed += 1
                yield encoded[max(offset - place - index * region.size, 0) :]
            place, number = place + region.count * region.size, number + region.count
        yield struct.pack("<II", self.crc, self.unpacked % 2**32)[max(offset - place, 0) :]


def serve(clips: int, cut_every: int) -> None:
    """Serve /first.tar.gz and /last.tar.gz (where the tables are) until killed; prints its address first."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def do_GET(self) -> None:
            match = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            offset = int(match[1]) if match else 0
            if not offset:
                archives[self.path] = Endless(clips, tables_first="first" in self.path)
            made = archives[self.path]
            self.send_response(206 if match else 200)
            self.send_header("Content-Length", str(made.size - offset))
            self.send_header("ETag", f'"{clips}"')
            if match:
                self.send_header("Content-Range", f"bytes {offset}-{made.size - 1}/{made.size}")
            self.end_headers()
            sent = 0
            try:
                for unit in made.read_from(offset):
                    self.wfile.write(unit)
                    sent += len(unit)
                    if cut_every and sent >= cut_every:
                        break
            except ConnectionError:
                pass
            self.close_connection = True

    archives: dict[str, Endless] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


# --- the cases ---


def counted(source, selector: Selector) -> dict:
    """Read a source to its end or until the selector is full; what came of it."""
    places = [0]
    clips = size = 0
    for clip in source.clips(selector, lambda done, total: places.__setitem__(0, done)):
        clips, size = clips + 1, size + len(clip.audio or b"")
    return {"clips": clips, "bytes": size, "read": places[0] if source.unit == "B" else size}


def streamed(spec: str, want: int | None) -> dict:
    return counted(parse_sources([spec], ["en"])[0], Selector(want))


def bare_gunzip(address: str) -> dict:
    (source,) = parse_sources([f"en={address}"], ["en"])
    size = 0
    with source.open_stream() as stream:
        unpacked = unpack(stream, "it")
        while data := unpacked.read(BLOCK):
            size += len(data)
        return {"clips": 0, "bytes": size, "read": stream.tell()}


def from_cache(spec: str, folder: Path) -> dict:
    rows = load_clips([spec], ["en"], folder / "cache", progress=False)
    size = sum(len(row.audio) for row in rows)
    return {"clips": len(rows), "bytes": size, "read": size}


def make_local(folder: Path) -> None:
    """The same clips as a folder, an archive and Parquet shards; and in the cache."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = b"".join(Endless(FINITE, tables_first=True).read_from(0))
    (folder / "en.tar.gz").write_bytes(made)
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        archive.extractall(folder, filter="data")
    clips = sorted((folder / "cv-corpus-0.0" / "en" / "clips").iterdir())
    for shard in range(4):
        part = clips[shard::4]
        audio = [{"bytes": path.read_bytes(), "path": path.name} for path in part]
        (folder / "shards").mkdir(exist_ok=True)
        speakers = [str(number) for number in range(len(part))]
        columns = pa.table({"client_id": speakers, "audio": audio, "sentence": ["A sentence."] * len(part)})
        pq.write_table(columns, folder / "shards" / f"train-{shard:05d}-of-00004.parquet", row_group_size=100)
    load_clips([f"en={folder / 'en.tar.gz'}"], ["en"], folder / "cache", progress=False)


def cases(address: str, folder: Path) -> dict[str, Callable[[], dict]]:
    first, last = f"{address}/first.tar.gz", f"{address}/last.tar.gz"
    return {
        "bare gunzip over HTTP": lambda: bare_gunzip(first),
        "archive over HTTP, every clip": lambda: streamed(f"en={first}", None),
        f"archive over HTTP, {WANT} wanted": lambda: streamed(f"en={first}", WANT),
        f"archive over HTTP, tables last, {WANT} wanted": lambda: streamed(f"en={last}", WANT),
        "archive on disk": lambda: streamed(f"en={folder / 'en.tar.gz'}", None),
        "folder": lambda: streamed(f"en={folder / 'cv-corpus-0.0' / 'en'}", None),
        "Parquet shards": lambda: streamed(f"en=hub:{folder / 'shards'}", None),
        "cache, second run": lambda: from_cache(f"en={folder / 'en.tar.gz'}", folder),
    }


def run_case(name: str, address: str, folder: Path) -> None:
    start = time.perf_counter()
    found = cases(address, folder)[name]()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    cpu = time.process_time()  # with imports; on a busy machine this is the number to compare
    print(json.dumps({"case": name, **found, "seconds": seconds, "cpu_seconds": cpu, "peak_rss": peak}))


def report(results: list[dict]) -> str:
    bare = results[0]["read"] / results[0]["cpu_seconds"]
    lines = [
        "| source | clips | GB read | s | CPU s | clips / CPU s | MB / CPU s | of bare gunzip | peak MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        speed = result["read"] / result["cpu_seconds"]
        lines.append(
            f"| {result['case']} | {result['clips']:,} | {result['read'] / 1e9:.2f} | {result['seconds']:.1f} | "
            f"{result['cpu_seconds']:.1f} | {result['clips'] / result['cpu_seconds']:,.0f} | {speed / 1e6:.0f} | "
            f"{speed / bare:.2f} | "
            f"{result['peak_rss'] / 1e6:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the archive played (default 2)")
    parser.add_argument("--cut-every", type=int, default=500, help="megabytes between cuts, 0 for none (default 500)")
    parser.add_argument("--clip-bytes", type=int, default=CLIP_BYTES, help=f"size of a clip (default {CLIP_BYTES:,})")
    parser.add_argument("--only", default="", help="run only the cases whose name contains this, after the first")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--local", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.cut_every * 10**6)
    if options.local:
        return make_local(options.local)
    if options.case:
        return run_case(options.case[0], options.case[1], Path(options.case[2]))
    os.environ["BENCHMARK_CLIP_BYTES"] = str(options.clip_bytes)  # for the processes started below
    clips = max(int(options.gigabytes * 1e9 / options.clip_bytes) // BATCH, 1) * BATCH
    command = [sys.executable, __file__, "--cut-every", str(options.cut_every)]
    results = []
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([*command, "--serve", str(clips)], stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            address = server.stdout.readline().strip()
            subprocess.run([*command, "--local", folder], check=True)
            for index, name in enumerate(cases(address, Path(folder))):
                if index == 0 or options.only in name:
                    case = [*command, "--case", name, address, folder]
                    done = subprocess.run(case, stdout=subprocess.PIPE, text=True, check=True)
                    results.append(json.loads(done.stdout.splitlines()[-1]))
                    print(f"{name}: {results[-1]['seconds']:.1f} s", file=sys.stderr)
        finally:
            server.kill()
    print(report(results))
    if options.json:
        options.json.write_text(json.dumps({"gigabytes": options.gigabytes, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
