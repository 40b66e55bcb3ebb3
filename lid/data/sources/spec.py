"""`--data uz=mdc:ID ru=cv-ru.tar.gz en=hub:google/fleurs:en_us corpus/` -> rows, wherever they come from.

A source is named LANG=folder, LANG=archive.tar.gz (a path or an address), LANG=mdc:ID, LANG=hub:REPO:CONFIG[:SPLIT], or
by a folder alone whose subfolders are languages. Several may name one language.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from lid.data.clip import StoredClip
from lid.data.sources import room
from lid.data.sources.archive import ArchiveSource, LocalFile
from lid.data.sources.base import Progress, Source
from lid.data.sources.cache import ClipCache
from lid.data.sources.folder import FolderSource, is_corpus
from lid.data.sources.http_stream import HttpStream, Link
from lid.data.sources.hub import hub_source
from lid.data.sources.mdc import open_dataset
from lid.data.sources.retry import RetryPolicy
from lid.data.sources.selection import Selector
from lid.data.sources.tar_stream import is_archive
from lid.errors import InputError

HOW = "Write LANG=FOLDER, LANG=FILE.tar.gz, LANG=mdc:ID, LANG=hub:REPO:CONFIG[:SPLIT], or a folder of language folders."


CODE = re.compile(r"[A-Za-z]{2,3}")


class Clips(list[StoredClip]):
    """Rows, and what was learnt on the way: `orphans`, files no row mentions, by source; `cache_bytes` of the cache."""

    orphans: dict[str, list[str]]
    cache_bytes: int


def parse_sources(
    specs: Sequence[str], languages: Sequence[str], policy: RetryPolicy | None = None, cache_dir: str | None = None
) -> list[Source]:
    """What the command line names, in its order. Nothing is opened over the network yet.

    `languages` are the ones allowed; `cache_dir` is where bounded temporary files go. Raises InputError("data").
    """
    sources: list[Source] = []
    for spec in specs:
        language, separator, place = spec.partition("=")
        if not separator and spec.startswith("hub:"):  # hub:google/fleurs:uz_uz names its language itself
            language, separator, place = spec.split(":")[2].partition("_")[0] if spec.count(":") > 1 else "", "=", spec
        if separator and CODE.fullmatch(language):
            if language not in languages:
                raise InputError(f"{spec}: {language} is none of {', '.join(languages)}.", "data")
            sources.append(_source(language, place, spec, policy, cache_dir))
        else:
            sources.extend(_language_folders(spec, languages))
    if not sources:
        raise InputError(f"No data is named. {HOW}", "data")
    return sources


def languages(specs: Sequence[str]) -> list[str]:
    """Codes of all languages that sources speak of: those named as LANG=..., and subfolders that hold a language."""
    found = set()
    for spec in specs:
        language, separator, _ = spec.partition("=")
        if separator and CODE.fullmatch(language):
            found.add(language)
        else:
            path = Path(spec).expanduser()
            found |= {folder.name for folder in (*path.glob("*"), *path.glob("cv-corpus-*/*")) if is_corpus(folder)}
    return sorted(found)


def corpus_name(spec: str) -> str:
    """What to call the corpus that a spec names: the same for its languages, and without folders of one machine."""
    language, separator, place = spec.partition("=")
    language, place = (language, place) if separator and CODE.fullmatch(language) else ("", spec)
    if place.startswith("hub:"):
        return place[4:].partition(":")[0]
    if re.match(r"https?://", place):
        return _without_query(place).rpartition("/")[2]
    path = Path(place)
    return path.parent.name if path.name == language else path.name


def load_clips(
    specs: Sequence[str],
    languages: Sequence[str],
    cache_dir: str | os.PathLike,
    want_per_language: int | None = None,
    max_per_speaker: int | None = None,
    progress: bool = True,
    policy: RetryPolicy | None = None,
) -> Clips:
    """Rows of all sources, sorted by language, source and path: the same list for the same sources in every run.

    Folders are read where they are; what is streamed is kept in `cache_dir`. At most `want_per_language` clips are
    taken (None: all), shared between the sources of a language, and at most `max_per_speaker` of one voice in a source.
    Rows whose file is missing come besides. Raises InputError.
    """
    cache = ClipCache(cache_dir, tqdm.write if progress else lambda sentence: None)
    sources = parse_sources(specs, languages, policy, str(cache.root))
    new = [source for source in sources if not cache.knows(source)]
    room.require(cache.root, new, want_per_language, cache.size_bytes())
    result = Clips()
    result.orphans = {}
    for index, source in enumerate(sources):
        want = None
        if want_per_language is not None:
            left = sum(other.language == source.language for other in sources[index:])
            taken = sum(row.language == source.language and row.file is not None for row in result)
            want = -(-(want_per_language - taken) // left)
        with _progress_bar(source, progress) as bar:
            rows, orphans = _load(source, cache, want, max_per_speaker, _progress(bar))
        result.extend(rows)
        if orphans:
            result.orphans[source.spec] = orphans
    result.sort(key=lambda row: (row.language, row.source, row.path))
    result.cache_bytes = cache.size_bytes()
    if progress and result.cache_bytes:
        tqdm.write(f"The cache in {cache.root} takes {result.cache_bytes / 1e6:,.1f} MB.", file=sys.stderr)
    return result


def _load(
    source: Source, cache: ClipCache, want: int | None, max_per_speaker: int | None, progress: Progress
) -> tuple[list[StoredClip], list[str]]:
    if isinstance(source, FolderSource):
        rows = sorted(source.stored(Selector(want, max_per_speaker), progress), key=lambda row: row.path)
        return rows, source.orphans
    rows, meta = cache.load(source, want, max_per_speaker, progress)
    return rows, meta.orphans


def _progress_bar(source: Source, shown: bool) -> tqdm:
    return tqdm(
        desc=f"{source.language} {source.spec.partition('=')[2] or source.spec}",
        unit=source.unit,
        unit_scale=True,
        disable=None if shown else True,  # None: only where somebody is looking at a terminal
    )


def _progress(bar: tqdm) -> Progress:
    def update(done: int, total: int | None) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return update


def _source(language: str, place: str, spec: str, policy: RetryPolicy | None, cache_dir: str | None) -> Source:
    if place.startswith("mdc:"):
        return _archive(language, spec, ["mdc", place[4:]], partial(open_dataset, place[4:], policy), cache_dir)
    if place.startswith("hub:"):
        return hub_source(language, place[4:], spec, policy)
    if re.match(r"https?://", place):
        shown = f"{language}={_without_query(place)}"
        stream = partial(HttpStream, Link(place), shown, policy=policy)
        return _archive(language, shown, ["http", place], stream, cache_dir)
    path = Path(place).expanduser()
    if path.is_dir():
        return _folder(language, path, spec)
    if path.is_file():
        status = path.stat()
        with LocalFile(path) as file:
            head = file.read(512)
        if head and not is_archive(head):
            raise InputError(f"{spec}: {path.name} is not a .tar.gz archive, whatever its name. {HOW}", "data")
        identity = ["file", str(path.resolve()), status.st_size, status.st_mtime_ns]
        return _archive(language, spec, identity, partial(LocalFile, path), cache_dir)
    raise InputError(f"{spec}: there is no {path}. {HOW}", "data")


def _archive(language: str, spec: str, identity: list, open_stream: Callable, cache_dir: str | None) -> ArchiveSource:
    return ArchiveSource(language, spec, json.dumps(identity), open_stream=open_stream, temporary_folder=cache_dir)


def _folder(language: str, path: Path, spec: str) -> FolderSource:
    """`path` itself, or the language's folder within it."""
    for folder in (path, path / language, *sorted(path.glob(f"cv-corpus-*/{language}"), reverse=True)):
        if is_corpus(folder):
            return FolderSource(language, spec, json.dumps(["folder", str(folder.resolve())]), folder=folder)
    raise InputError(f"{spec}: {path} holds no folder named clips. Give an extracted Common Voice folder.", "data")


def _language_folders(spec: str, languages: Sequence[str]) -> list[Source]:
    path = Path(spec).expanduser()
    if path.is_file():
        raise InputError(f"{spec}: say which language it holds, as in {languages[0]}={path}.", "data")
    if not path.is_dir():
        raise InputError(f"{spec}: there is no such folder. {HOW}", "data")
    found: list[Source] = []
    for language in languages:
        try:
            found.append(_folder(language, path / language, f"{language}={path / language}"))
        except InputError:
            folders = [f for f in sorted(path.glob(f"cv-corpus-*/{language}"), reverse=True) if is_corpus(f)]
            found.extend(_folder(language, folder, f"{language}={folder}") for folder in folders[:1])
    if not found:
        raise InputError(f"{spec} has no subfolder {' or '.join(languages)} that holds clips. {HOW}", "data")
    return found


def _without_query(address: str) -> str:
    """An address fit to be shown: the query of a presigned link is a key."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
