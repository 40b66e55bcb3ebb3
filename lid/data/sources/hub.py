"""Shards on the Hugging Face Hub (or the server in HF_ENDPOINT), streamed: nothing is downloaded whole.

Parquet and WebDataset go through `datasets` with its audio decoder off. Two older layouts are found where a repository
still holds a loading script, which `datasets` no longer runs: the Hub's own Parquet export (FLEURS), and Common Voice
mirrors of plain tars beside TSV files. Importing `datasets` takes seconds, so it is done on first use.
"""

import io
import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

from lid.data.clip import Clip
from lid.data.sources.base import COMMON_VOICE, Journal, Progress, Source, silent
from lid.data.sources.http_stream import HttpStream, Link
from lid.data.sources.metadata import ClipTable, bare_name, text_lines
from lid.data.sources.retry import RetryPolicy
from lid.data.sources.selection import Selector
from lid.data.sources.tar_stream import damage_in, members
from lid.errors import InputError

EXPORT = "refs/convert/parquet"  # the branch where the Hub keeps a Parquet copy of every dataset
SPEAKER = ("client_id", "speaker_id", "speaker")
SENTENCE = ("sentence", "raw_transcription", "transcription", "text", "txt")
Shard = Callable[[], Iterator[Clip]]


@dataclass
class HubSource(Source):
    """Clips of one configuration and split. Takes an equal part from each shard: mirrors sort clips by speaker."""

    repo: str = ""
    config: str = ""
    split: str = "train"
    revision: str | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    def __post_init__(self) -> None:
        self.resumable = True
        self.domain = COMMON_VOICE if re.search("common.?voice", self.repo, re.IGNORECASE) else f"hub:{self.repo}"

    def clips(
        self, selector: Selector | None = None, progress: Progress = silent, journal: Journal | None = None
    ) -> Iterator[Clip]:
        selector, journal = selector or Selector(), journal or Journal()
        stops: list[int] = list(journal.state or [])  # rows read of each shard so far; -1 once it was read to its end
        with _in_sentences(self.spec), ClipTable(self.language, self.spec) as table:
            shards = self._shards(table)
            for index in range(len(stops), len(shards)):
                share = None if selector.unlimited else -(-(selector.want - selector.taken) // (len(shards) - index))
                stop = yield from _take(shards[index], 0, share, selector, progress)
                stops.append(stop)
                journal.note(stops)
            for shard, stop in zip(shards, stops, strict=True):  # some shards had fewer than their part
                if stop >= 0 and not selector.full:
                    yield from _take(shard, stop, None, selector, progress)

    def _shards(self, table: ClipTable) -> list[Shard]:
        from datasets.exceptions import DataFilesNotFoundError

        if self.revision != EXPORT:
            options = {"name": self.config or None, "split": self.split, "revision": self.revision}
            try:
                return self._row_shards(partial(_stream, self.repo, **options))
            except DataFilesNotFoundError:
                pass
            except RuntimeError as error:
                if "scripts are no longer supported" not in str(error):
                    raise
            if shards := self._mirror_shards(table):
                return shards
        return self._export_shards()

    def _export_shards(self) -> list[Shard]:
        """Shards of the Hub's own Parquet copy, {config}/{split}/*.parquet on a branch of its own."""
        from huggingface_hub import HfFileSystem

        root = f"datasets/{self.repo}@{EXPORT.replace('/', '%2F')}/{self.config or 'default'}"
        for folder in (self.split, f"partial-{self.split}"):  # of a large data set the Hub copies the first 5 GB
            if names := sorted(HfFileSystem().glob(f"{root}/{folder}/*.parquet")):
                files = {"all": [f"hf://{name}" for name in names]}
                return self._row_shards(partial(_stream, "parquet", data_files=files, split="all"))
        name = self.config or "its default configuration"
        raise InputError(f"{self.spec}: {self.repo} has no shards for {name}, split {self.split}.", "data")

    def _row_shards(self, load: Callable) -> list[Shard]:
        """Shards of what `load` gives, an IterableDataset of rows with an audio column."""
        from datasets import Audio, Features, Value

        dataset = load()
        features = dataset.features or {}
        columns = [name for name, feature in features.items() if isinstance(feature, Audio)]
        column = columns[0] if columns else "audio"
        if features and column not in features:
            raise InputError(f"{self.spec} has no audio column, only {', '.join(features)}.", "data")
        rate = getattr(features.get(column), "sampling_rate", None)
        if "__key__" in features:  # WebDataset: its reader would pass even raw bytes through the audio encoder
            dataset = load(features=Features({**features, column: Value("binary")}))
        else:
            dataset = dataset.cast_column(column, Audio(decode=False))

        def shard(index: int) -> Iterator[Clip]:
            for number, row in enumerate(dataset.shard(dataset.num_shards, index)):
                yield self._clip(row, column, rate, f"{index:05d}-{number:07d}")

        return [partial(shard, index) for index in range(dataset.num_shards)]

    def _clip(self, row: dict, column: str, rate: int | None, position: str) -> Clip:
        if isinstance(row.get("json"), dict):  # WebDataset keeps a clip's facts in a file beside it
            row = {**row["json"], **row}
        audio = row[column] or {}
        if isinstance(audio, bytes):
            audio = {"bytes": audio, "path": f"{row['__key__']}.{column}"}
        name = audio.get("path") or row.get("path") or position
        return Clip(
            bare_name(name),
            audio.get("bytes"),
            self.language,
            _first(row, SPEAKER),
            _first(row, SENTENCE),
            self.domain,
            _seconds(row, rate),
        )

    def _mirror_shards(self, table: ClipTable) -> list[Shard]:
        """Shards of the layout audio/{lang}/{split}/*.tar + transcript/{lang}/{split}.tsv; [] where it is another."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import EntryNotFoundError

        split = {"validation": "dev"}.get(self.split, self.split)
        folder = f"audio/{self.config}/{split}"
        try:
            tree = HfApi().list_repo_tree(self.repo, folder, repo_type="dataset", revision=self.revision)
            names = sorted((item.path for item in tree if item.path.endswith(".tar")), key=_numbers)
        except EntryNotFoundError:
            return []
        with io.BufferedReader(self._open(f"transcript/{self.config}/{split}.tsv")) as stream:
            table.add(f"{split}.tsv", text_lines(stream))
        table.settle()

        def shard(name: str) -> Iterator[Clip]:
            shown = f"{self.spec} {PurePosixPath(name).name}"
            with self._open(name) as stream, damage_in(shown):
                for member in members(stream, shown):
                    if member.file and (row := table.get(bare_name(member.name))):
                        yield Clip(row[0], member.file.read(), self.language, row[1], row[2], self.domain, row[3])

        return [partial(shard, name) for name in names]

    def _open(self, name: str) -> HttpStream:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(self.repo, name, repo_type="dataset", revision=self.revision)
        return HttpStream(Link(url, build_hf_headers()), f"{self.spec} {name}", policy=self.policy)


def hub_source(language: str, place: str, spec: str, policy: RetryPolicy | None = None) -> HubSource:
    """`place` is REPO[@REVISION]:CONFIG[:SPLIT]; the split is "train" when not given. Raises InputError("data")."""
    match = re.fullmatch(r"(?P<repo>[^:@]+)(@(?P<revision>[^:]+))?(:(?P<config>[^:]*))?(:(?P<split>[^:]+))?", place)
    if not match:
        raise InputError(f"{spec}: write it as hub:REPO:CONFIG or hub:REPO:CONFIG:SPLIT.", "data")
    split = match["split"] or "train"
    identity = json.dumps(["hub", match["repo"], match["revision"], match["config"], split])
    return HubSource(
        language,
        spec,
        identity,
        repo=match["repo"],
        revision=match["revision"],
        config=match["config"] or "",
        split=split,
        policy=policy or RetryPolicy(),
    )


def _stream(path: str, **options):
    """`datasets.load_dataset` as an IterableDataset.

    Arrow's read-ahead keeps all it has read of a shard in memory, 400 MB of a shard that size. Without it memory stays
    flat, at no cost in processor time.
    """
    from datasets import load_dataset
    from pyarrow.dataset import ParquetFragmentScanOptions

    lean = ParquetFragmentScanOptions(pre_buffer=False)
    try:
        return load_dataset(path, streaming=True, fragment_scan_options=lean, **options)
    except (TypeError, ValueError) as error:
        if "fragment_scan_options" not in str(error):
            raise
        return load_dataset(path, streaming=True, **options)  # not Parquet


def _take(
    shard: Shard, start: int, share: int | None, selector: Selector, progress: Progress
) -> Generator[Clip, None, int]:
    """Yield up to `share` clips of a shard from row `start` on; returns the row to go on at, -1 at the shard's end."""
    if selector.full:
        return start
    goal = None if share is None else selector.taken + share
    for number, clip in enumerate(shard()):
        if number < start:
            continue
        if clip.audio is None or selector.accept(clip.speaker):
            yield clip
            progress(selector.taken, selector.want)
        if selector.full or selector.taken == goal:
            return number + 1
    return -1


@contextmanager
def _in_sentences(spec: str):
    """What `datasets` and `huggingface_hub` raise, as a sentence for the person who wrote `spec`."""
    from datasets.exceptions import DatasetNotFoundError
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except InputError:
        raise
    except DatasetNotFoundError as error:
        raise InputError(
            f"{spec}: the Hub has no such dataset, or it needs access rights: check the name, accept its terms on its "
            "page, run `hf auth login`.",
            "missing",
        ) from error
    except (HTTPError, HfHubHTTPError, ConnectionError, TimeoutError) as error:
        text = f"{spec}: the Hub cannot be reached: {_first_line(error)}. Run this again later."
        raise InputError(text, "connection") from error
    except (ValueError, FileNotFoundError) as error:  # an unknown configuration or split; the text lists the others
        raise InputError(f"{spec} cannot be opened: {_first_line(error)}", "data") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _first(row: dict, names: tuple[str, ...]) -> str:
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")


def _seconds(row: dict, rate: int | None) -> float | None:
    if isinstance(row.get("num_samples"), int) and rate:
        return row["num_samples"] / rate
    return float(row["duration"]) if isinstance(row.get("duration"), int | float) else None


def _numbers(name: str) -> list:
    """Sort key: uz_train_2.tar before uz_train_10.tar."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
