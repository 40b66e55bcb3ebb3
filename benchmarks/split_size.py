"""Time and memory of the split and its audit on as many clips as Common Voice has.

    nice python benchmarks/split_size.py --clips 80000 --write       # of each of the three languages

No audio is made: what the splitter sees are speakers and sentences, drawn as they lie in Common Voice. Speakers are
heard by Zipf's law, so that a few of them have most clips. Sentences are of words by Zipf's law too; some are read by
several people, and some come again in another spelling: another apostrophe, Cyrillic for Latin, a word changed.
"""

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark_docs import replace_section

from lid.data.clip import PARTS, StoredClip
from lid.data.curation import audit, splits
from lid.languages import CODES

WORDS = 20_000  # of a language
SPEAKERS = 0.04  # as a share of the clips
SENTENCES = 0.7  # the same: every third clip or so is a sentence that somebody else reads too
ANEW = 0.08  # share of the sentences that are an earlier one in another spelling, or with a word changed
SYLLABLES = {
    "uz": "bo ʻl shu va da ni ga lar la ki ti mas qi sh ing o‘z g‘a yil xal ish ta lim ham bir ka uch",
    "ru": "по на во не ка то ра ни ко ли ста про ре ва ль за сти го ме вой та ди ны ры бе шу",
    "en": "the in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou",
}
CYRILLIC = str.maketrans("abvgdziklmnoprstufhqxy", "абвгдзиклмнопрстуфҳқхй")


def clips(language: str, count: int) -> Iterator[StoredClip]:
    """Rows as a table of Common Voice has them, but for the sound; the same for the same arguments."""
    draw = random.Random(f"{language} {count}")
    syllables = SYLLABLES[language].split()
    vocabulary = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(WORDS)]
    weights = list(accumulate(1 / (rank + 3) for rank in range(WORDS)))
    sentences: list[str] = []
    for _ in range(int(count * SENTENCES)):
        if sentences and draw.random() < ANEW:
            sentences.append(_anew(draw.choice(sentences), language, draw, vocabulary))
        else:
            sentences.append(" ".join(draw.choices(vocabulary, cum_weights=weights, k=draw.randint(3, 14))))
    speakers = [f"{language}{number:06d}" * 16 for number in range(max(3, int(count * SPEAKERS)))]
    heard = draw.choices(
        speakers, cum_weights=list(accumulate(1 / (rank + 5) for rank in range(len(speakers)))), k=count
    )
    for number, speaker in enumerate(heard):
        sentence = sentences[number] if number < len(sentences) else draw.choice(sentences)
        yield StoredClip(f"{language}_{number:08d}.mp3", language, speaker, sentence, "made", None, None)


def _anew(sentence: str, language: str, draw: random.Random, vocabulary: list[str]) -> str:
    words = sentence.split()
    if language == "uz" and draw.random() < 0.5:
        return sentence.translate(CYRILLIC)
    if draw.random() < 0.5:
        return sentence.replace("ʻ", "'").replace("‘", "`").capitalize() + "!"
    words[draw.randrange(len(words))] = draw.choice(vocabulary)
    return " ".join(words)


def measured(work: Callable, *arguments: Any) -> tuple[Any, float]:
    """What a call returns, and its seconds of CPU."""
    start = time.process_time()
    return work(*arguments), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8_000, help="of each of the three languages")
    parser.add_argument("--write", action="store_true", help="put the result into docs/BENCHMARKS.md")
    options = parser.parse_args()
    corpus = [clip for code in CODES for clip in clips(code, options.clips)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    started = time.perf_counter()
    split, splitting = measured(splits.split, corpus)
    proof, auditing = measured(audit.audit, split)
    rows = {
        "clips": len(corpus),
        "kept": " / ".join(str(len(getattr(split, part))) for part in PARTS),
        "dropped for a conflict, or as similar": len(split.dropped),
        "CPU seconds of the split": round(splitting),
        "CPU seconds of the audit": round(auditing),
        "seconds in all": round(time.perf_counter() - started),
        "GB at most, of which the clips themselves": (
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f}, {before:.2f}"
        ),
        "speakers, sentences, near-duplicates in two parts": audit.leaks(proof),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    text = f"`python benchmarks/split_size.py --clips {options.clips} --write`\n\n| | |\n|---|--:|\n{table}"
    print(text)
    if options.write:
        replace_section("The split at full size", text)


if __name__ == "__main__":
    main()
