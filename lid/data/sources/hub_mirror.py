"""One repository's own layout on the Hub: Common Voice as plain tars beside TSV files, audio/{lang}/{split}/*.tar and
transcript/{lang}/{split}.tsv (`fsicoli/common_voice_*`). Nothing else needs this file.
"""

import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath

from lid.data.clip import Clip
from lid.data.sources.hub_files import Repository
from lid.data.sources.metadata import ClipTable, bare_name, text_lines
from lid.data.sources.tar_stream import Member, damage_in, members


def mirror_shards(
    repository: Repository, config: str, split: str, table: ClipTable, domain: str
) -> list[Callable[[], Iterator[Clip]]]:
    """Shards of this layout; [] where the repository has another. `table` takes the rows, `domain` is `Clip.source`."""
    split = {"validation": "dev"}.get(split, split)
    pattern = re.compile(rf"audio/{re.escape(config)}/{re.escape(split)}/[^/]+\.tar")
    names = sorted(filter(pattern.fullmatch, repository.files), key=_numbers)
    if not names:
        return []
    with io.BufferedReader(repository.open(f"transcript/{config}/{split}.tsv")) as stream:
        table.add(f"{split}.tsv", text_lines(stream))
    table.settle()

    def shard(name: str) -> Iterator[Clip]:
        if name == names[0]:
            yield from (Clip(path, None, table.language, source=domain, problem=why) for path, why in table.bad())
        shown = f"{repository.spec} {PurePosixPath(name).name}"
        with repository.open(name) as stream, damage_in(shown):
            for member in members(stream, shown):
                if isinstance(member, Member) and (row := table.get(bare_name(member.name))):
                    yield Clip(
                        row.path, member.file.read(), table.language, row.speaker, row.sentence, domain, row.seconds
                    )

    return [partial(shard, name) for name in names]


def _numbers(name: str) -> list:
    """Sort key: uz_train_2.tar before uz_train_10.tar."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
