"""Data sets on the Hugging Face Hub (or the server in HF_ENDPOINT), streamed: nothing is downloaded whole.

`datasets` finds the files of a configuration and split, whatever their layout: Parquet, audio files beside metadata.csv
or in folders (AudioFolder), WebDataset, JSON and CSV that name files. Its audio decoder stays off, so torchcodec is not
needed. Where a repository still holds a loading script, which `datasets` no longer runs, the Hub's own Parquet export
is read (FLEURS). Importing `datasets` takes seconds, so it is done on first use.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from tarfile import TarError
from zipfile import BadZipFile

from lid.data.clip import Clip
from lid.data.sources.base import COMMON_VOICE, Journal, Progress, Source, silent
from lid.data.sources.hub_files import Repository
from lid.data.sources.hub_mirror import mirror_shards
from lid.data.sources.metadata import ClipTable, bare_name
from lid.data.sources.retry import RetryPolicy
from lid.data.sources.selection import Selector, name_hash
from lid.errors import InputError
from lid.languages import NAMES

EXPORT = "refs/convert/parquet"  # the branch where the Hub keeps a Parquet copy of every dataset
SPEAKER = ("client_id", "speaker_id", "speaker")
SENTENCE = ("sentence", "raw_transcription", "transcription", "text", "txt")
AUDIO = ("audio", "path", "file_name", "file", "filename", "audio_path", "wav", "mp3")  # columns that may name a file
OTHERS = ("path", "locale", "language", "duration", "num_samples")
BATCH = 64  # rows of Parquet at once
BUFFER = 1024**2  # bytes of a Parquet column at once; by default pyarrow reads all that a row group has of it
Shard = Callable[[], Iterator[Clip]]


@dataclass(frozen=True)
class UnreadClip(Clip):
    """A row that names a file. `fetch` gives its bytes, None where there is no such file."""

    fetch: Callable[[], bytes | None] = lambda: None

    def read(self) -> Clip:
        """The row with its bytes."""
        return Clip(
            self.path, self.fetch(), self.language, self.speaker, self.sentence, self.source, duration=self.duration
        )


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
        self._repository = Repository(self.repo, self.revision, self.spec, self.policy)

    def clips(
        self, selector: Selector | None = None, progress: Progress = silent, journal: Journal | None = None
    ) -> Iterator[Clip]:
        selector, journal = selector or Selector(), journal or Journal()
        stops: list[int] = list(journal.state or [])  # rows read of each shard so far; -1 once it was read to its end
        with _in_sentences(self.spec), ClipTable(self.language, self.spec) as table:
            shards = self._shards(table)
            for index in range(len(stops), len(shards)):
                left = None if selector.want is None else selector.want - selector.taken
                share = None if left is None else -(-left // (len(shards) - index))
                stop = yield from _take(shards[index], 0, share, selector, progress)
                stops.append(stop)
                journal.note(stops)
            for shard, stop in zip(shards, stops, strict=True):  # some shards had fewer than their part
                if stop >= 0 and not selector.full:
                    yield from _take(shard, stop, None, selector, progress)

    def _shards(self, table: ClipTable) -> list[Shard]:
        from datasets.exceptions import DataFilesNotFoundError

        if self.revision != EXPORT:
            try:
                return self._layout(self._builder())
            except DataFilesNotFoundError:
                pass
            except RuntimeError as error:
                if "scripts are no longer supported" not in str(error):
                    raise
            if shards := mirror_shards(self._repository, self.config, self.split, table, self.domain):
                return shards
        return self._export_shards()

    def _builder(self, **options):
        from datasets import load_dataset_builder

        return load_dataset_builder(self.repo, self.config or None, revision=self.revision, **options)

    def _layout(self, builder) -> list[Shard]:
        """Shards of the layout that `datasets` found."""
        from datasets import Audio
        from datasets.packaged_modules.audiofolder.audiofolder import AudioFolder
        from datasets.packaged_modules.parquet.parquet import Parquet
        from datasets.packaged_modules.webdataset.webdataset import WebDataset

        files = builder.config.data_files or {}
        if self.split not in files:
            splits = f"Available splits: {sorted(map(str, files))}"
            raise InputError(f"{self.spec}: the data set has no split {self.split}. {splits}", "data")
        if isinstance(builder, Parquet):
            return [partial(self._parquet, str(file), index) for index, file in enumerate(files[self.split])]
        if isinstance(builder, WebDataset):
            return self._web_shards(builder)
        if isinstance(builder, AudioFolder):
            builder.BASE_FEATURE = _unopened_audio()
        dataset = builder.as_streaming_dataset(self.split)
        features = dataset.features or _features_of(next(iter(dataset), {}))
        column = self._audio_column(features)
        if isinstance(features[column], Audio):
            dataset = dataset.decode(False)
            if not isinstance(builder, AudioFolder):
                return self._streamed(dataset, column)
        return [partial(self._named_files, dataset, features, column)]

    def _export_shards(self) -> list[Shard]:
        """Shards of the Hub's own Parquet copy, {config}/{split}/*.parquet on a branch of its own."""
        from huggingface_hub import HfFileSystem

        root = f"datasets/{self.repo}@{EXPORT.replace('/', '%2F')}/{self.config or 'default'}"
        for folder in (self.split, f"partial-{self.split}"):  # of a large data set the Hub copies the first 5 GB
            if names := sorted(HfFileSystem().glob(f"{root}/{folder}/*.parquet")):
                return [partial(self._parquet, f"hf://{name}", index) for index, name in enumerate(names)]
        name = self.config or "its default configuration"
        raise InputError(f"{self.spec}: {self.repo} has no shards for {name}, split {self.split}.", "data")

    def _parquet(self, address: str, index: int) -> Iterator[Clip]:
        """Rows of one Parquet file, by its own columns: those of another shard may differ."""
        from datasets import Features
        from huggingface_hub import HfFileSystem
        from pyarrow.parquet import ParquetFile

        with HfFileSystem().open(address, "rb") as file:
            parquet = ParquetFile(file, pre_buffer=False, buffer_size=BUFFER)
            features = Features.from_arrow_schema(parquet.schema_arrow)
            column = self._audio_column(features)
            rate = getattr(features[column], "sampling_rate", None)
            columns = [name for name in features if name in (column, *SPEAKER, *SENTENCE, *OTHERS)]
            number = 0
            for batch in parquet.iter_batches(BATCH, columns=columns):
                for row in batch.to_pylist():
                    yield self._clip(row, row[column], rate, f"{index:05d}-{number:07d}")
                    number += 1

    def _audio_column(self, features: dict) -> str:
        """The column with audio, or with the names of audio files."""
        from datasets import Audio

        found = [name for name, feature in features.items() if isinstance(feature, Audio)]
        found += [
            name for name, feature in features.items() if isinstance(feature, dict) and {"bytes", "path"} & set(feature)
        ]
        plain = ("binary", "large_binary", "string", "large_string")
        found += [name for name in AUDIO if getattr(features.get(name), "dtype", None) in plain]
        if not found:
            raise InputError(f"{self.spec} has no audio column, only {', '.join(features)}.", "data")
        return found[0]

    def _web_shards(self, builder) -> list[Shard]:
        from datasets import Audio, Features, Value

        features = builder.as_streaming_dataset(self.split).features
        column = next((name for name, feature in features.items() if isinstance(feature, Audio)), "")
        if not column:
            raise InputError(f"{self.spec} has no audio, only {', '.join(features)}.", "data")
        # WebDataset's reader would pass even raw bytes through the audio encoder.
        raw = Features({**features, column: Value("binary")})
        dataset = self._builder(features=raw).as_streaming_dataset(self.split)
        return self._streamed(dataset, column)

    def _streamed(self, dataset, column: str) -> list[Shard]:
        """Shards of an IterableDataset whose audio column holds bytes."""

        def shard(index: int) -> Iterator[Clip]:
            for number, row in enumerate(dataset.shard(dataset.num_shards, index)):
                audio = row[column]
                if "__key__" in row:  # WebDataset: an archive's files of one name, of which a .json holds the facts
                    facts = row.get("json")
                    row = {**facts, **row} if isinstance(facts, dict) else row
                    audio = {"bytes": audio, "path": f"{row['__key__']}.{column}"}
                yield self._clip(row, audio, position=f"{index:05d}-{number:07d}")

        return [partial(shard, index) for index in range(dataset.num_shards)]

    def _named_files(self, dataset, features: dict, column: str) -> Iterator[Clip]:
        """Rows that name files, in the order of selection: as they lie in a table, a speaker's stand together."""
        labels = [name.lower() for name in getattr(features.get("label"), "names", [])]  # names of folders
        own = [name in (self.language, NAMES.get(self.language, "").lower()) for name in labels]
        if any(map(_language, labels)) and not any(own):
            found = ", ".join(labels)
            raise InputError(f"{self.spec} was given as {self.language}, but its folders are {found}.", "language")
        rows = [row for row in dataset if not any(own) or own[row["label"]]]
        clips = [self._clip(row, row[column]) for row in rows]
        yield from sorted(clips, key=lambda clip: name_hash(clip.path))

    def _clip(self, row: dict, audio: dict | bytes | str | None, rate: int | None = None, position: str = "") -> Clip:
        """`audio` is what the audio column holds: bytes, the name of a file, or a dict of both."""
        for name in ("locale", "language"):
            if _language(row.get(name)) not in (None, self.language):
                said = f"a row says {row[name]}"
                raise InputError(f"{self.spec} was given as {self.language}, but {said}.", "language")
        if isinstance(audio, bytes):
            audio = {"bytes": audio}
        elif isinstance(audio, str):
            audio = {"path": audio}
        audio = audio or {}
        place, data = audio.get("path") or row.get("path") or "", audio.get("bytes")
        facts = (self.language, _first(row, SPEAKER), _first(row, SENTENCE), self.domain, _seconds(row, rate))
        if data is not None or not place:
            return Clip(bare_name(place or position), data, *facts)
        inside = re.sub(r"^(zip://|hf://datasets/[^/]+/[^/]+/)", "", place.partition("::")[0])
        return UnreadClip(inside, None, *facts, fetch=partial(self._read, place, inside))

    def _read(self, place: str, inside: str) -> bytes | None:
        if place.startswith("zip://"):  # datasets says so of what lies in an archive of the repository
            name, _, archive = place.removeprefix("zip://").partition("::")
            return self._repository.read_zipped(archive, name)
        return self._repository.read(self._repository.find(inside))


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


def _language(said: object) -> str | None:
    """The code of one of the three languages, by its code, locale or English name; None for whatever else is said."""
    word = said.lower() if isinstance(said, str) else ""
    by_name = {name.lower(): code for code, name in NAMES.items()}
    return by_name.get(word) or (word.split("-")[0] if word.split("-")[0] in NAMES else None)


def _features_of(row: dict):
    """The features of a data set that does not tell them, by a row of it."""
    import pyarrow as pa
    from datasets import Features

    return Features.from_arrow_schema(pa.Table.from_pylist([row]).schema)


def _unopened_audio() -> type:
    """A feature for AudioFolder that leaves files where they are; `datasets`' own wants torchcodec even for a name."""
    from datasets import Audio

    class Unopened(Audio):
        def __init__(self):
            super().__init__(decode=False)

        def encode_example(self, value: str) -> dict:
            return {"bytes": None, "path": value}

    return Unopened


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
        if isinstance(clip, UnreadClip):
            if not selector.wants(clip.speaker):
                continue
            clip = clip.read()
        if clip.audio is None or selector.accept(clip.speaker):
            yield clip
            progress(selector.taken, selector.want)
        if selector.full or selector.taken == goal:
            return number + 1
    return -1


@contextmanager
def _in_sentences(spec: str):
    """What `datasets` and `huggingface_hub` raise, as a sentence for the person who wrote `spec`."""
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
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
    except (ValueError, OSError, DatasetsError, ImportError, NotImplementedError, BadZipFile, TarError) as error:
        # an unknown configuration, whose text lists the others; tables that contradict each other or are damaged; a
        # layout that wants another package
        raise InputError(f"{spec} cannot be opened: {_first_line(error)}", "data") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _first(row: dict, names: tuple[str, ...]) -> str:
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")


def _seconds(row: dict, rate: int | None) -> float | None:
    if isinstance(row.get("num_samples"), int) and rate:
        return row["num_samples"] / rate
    return float(row["duration"]) if isinstance(row.get("duration"), int | float) else None
