"""Single files of a data set repository on the Hub, found by the names that tables give them."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from zipfile import ZipFile

from lid.data.sources.http_stream import HttpStream, Link
from lid.data.sources.metadata import stem
from lid.data.sources.retry import RetryPolicy
from lid.errors import InputError


@dataclass
class Repository:
    """A repository at one revision (None: the newest). `spec` is how a person named the data set."""

    name: str
    revision: str | None
    spec: str
    policy: RetryPolicy

    @cached_property
    def files(self) -> list[str]:
        """Paths of all files."""
        from huggingface_hub import HfApi

        return HfApi().list_repo_files(self.name, repo_type="dataset", revision=self.revision)

    @cached_property
    def _known(self) -> set[str]:
        return set(self.files)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Paths by bare name, and by its stem."""
        found = defaultdict(list)
        for path in self.files:
            for name in {PurePosixPath(path).name, stem(PurePosixPath(path).name)}:
                found[name].append(path)
        return found

    def find(self, name: str) -> str | None:
        """The path of the file that a table calls `name`: that path, or the only one of its bare name or its stem."""
        path = name.removeprefix("./")
        if path in self._known:
            return path
        bare = PurePosixPath(path).name
        alike = self._by_name.get(bare) or self._by_name.get(stem(bare), [])
        return alike[0] if len(alike) == 1 else None

    def open(self, path: str) -> HttpStream:
        """The file's bytes as a stream that survives a bad line."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(self.name, path, repo_type="dataset", revision=self.revision)
        return HttpStream(Link(url, build_hf_headers()), f"{self.spec} {path}", policy=self.policy)

    def read(self, path: str | None) -> bytes | None:
        """The whole file; None when there is none."""
        if path is None:
            return None
        try:
            with self.open(path) as stream:
                return b"".join(iter(stream.read, b""))
        except InputError as error:
            if error.reason == "missing":
                return None
            raise

    def read_zipped(self, address: str, name: str) -> bytes | None:
        """A file in the ZIP archive at `address` (hf://...); None when there is none. The archive is not downloaded."""
        from huggingface_hub import HfFileSystem

        if address not in self._archives:  # its directory is read once
            self._archives[address] = ZipFile(HfFileSystem().open(address, "rb"))
        try:
            return self._archives[address].read(name)
        except KeyError:
            return None

    @cached_property
    def _archives(self) -> dict[str, ZipFile]:
        return {}
