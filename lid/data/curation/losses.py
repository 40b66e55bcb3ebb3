"""No run goes on with a language that its data has lost: it would train, and claim an accuracy, without it."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from lid.data.clip import Clip
from lid.data.curation.quality import REASONS, Dropped
from lid.errors import InputError
from lid.languages import NAMES

MOST = (
    0.5  # share of a language's rows lost for one reason from which something is wrong with its source, not its clips
)
MOST_REPEATED = (
    0.9  # the same where a recording is there again: a source named twice costs half of the rows, and nothing
)
REPEATS = ("duplicate", "near_duplicate")
NOT_A_ROW = "no_row"  # files beside the table are no loss: other parts of the corpus may lie there
EXAMPLES = 3


def require_languages(
    kept: Iterable[Clip], dropped: Iterable[Dropped], languages: Iterable[str], want: int | None = None
) -> None:
    """Raise InputError("emptied") where one of `languages` kept no clip, or lost most of its rows for one reason.

    `kept` are the clips that passed the checks, without those that only train: a language cannot be tested on them.
    `want` is how many clips of each language were asked for (None: all). A language that kept half of that is well: of
    its other rows nobody knows what they were worth.
    """
    clips = Counter(clip.language for clip in kept)
    lost: dict[str, list[Dropped]] = defaultdict(list)
    for one in dropped:
        lost[one.language].append(one)
    found = (_loss(language, clips[language], lost[language], want) for language in dict.fromkeys(languages))
    if sentences := [sentence for sentence in found if sentence]:
        raise InputError(
            f"{' '.join(sentences)} Nothing was trained: mend the data, or name another source.", "emptied"
        )


def _loss(language: str, kept: int, dropped: list[Dropped], want: int | None) -> str:
    """What is wrong with a language, as a sentence; "" when nothing is."""
    name = NAMES.get(language, language)
    rows = [one for one in dropped if one.reason != NOT_A_ROW]
    files = [one for one in dropped if one.reason == NOT_A_ROW]
    if not rows and kept:
        return ""
    if not dropped:
        return f"{name} has no clips at all."
    reason, count = Counter(one.reason for one in rows or files).most_common(1)[0]
    total = kept + len(rows or files)
    share = MOST_REPEATED if reason in REPEATS else MOST
    if kept and (count <= share * total or (want is not None and 2 * kept >= want)):
        return ""
    sentence = f"{name} lost {count} of {total} clips because {REASONS[reason]}: {_examples(rows or files, reason)}."
    if rows and files:
        sentence += f" Of its files {len(files)} are in no row: {_examples(files, NOT_A_ROW)}."
    return sentence


def _examples(dropped: list[Dropped], reason: str) -> str:
    of_reason = [one for one in dropped if one.reason == reason][:EXAMPLES]
    return ", ".join(f"{one.path} ({one.detail})" if one.detail else one.path for one in of_reason)
