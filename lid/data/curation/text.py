"""What a sentence says, whatever its spelling: one key per sentence, and sentences that are nearly the same.

Common Voice spells one Uzbek word o'zbek, oʻzbek, o‘zbek, o`zbek, O'ZBEK and ўзбек; a split by exact string lets all of
them cross it. Keys are for comparing only: letters and digits, lower case, Uzbek in Latin without any apostrophe.
"""

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH
from rapidfuzz import fuzz, process
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

THRESHOLD = 0.85  # similarity from which two sentences count as one; see `similarity`
SHINGLE = 3  # characters; long enough to be rare, short enough that one changed word leaves most of them
# Bands x rows of the MinHash index. Two sentences of similarity 0.85 share at least about 40 % of their shingles, and
# 1 - (1 - 0.4**3)**64 = 99 % of such pairs meet in a band; `similar_across` is for what must not be missed.
BANDS, ROWS = 64, 3
MINHASH_SEED = 1
BLOCK = 512  # sentences compared at once: bounds the matrix to BLOCK x all

# Uzbek Cyrillic -> Latin, alphabet of 1995. The apostrophes of o‘ and g‘ and the tutuq belgisi (ъ) are left out, as
# they are in Latin keys. `е` reads "ye" at the start of a word and "e" inside it, and many type е for э: all are "e".
# Last: ş ç ı of the reform drafts and of common typing; their ö ğ ñ lose the marks by decomposition.
_UZBEK = (
    str.maketrans("абвгджзийклмнопрстуфхэўқғҳые", "abvgdjziyklmnoprstufxeoqghie", "ъь")
    | str.maketrans({"ц": "ts", "ё": "yo", "ч": "ch", "ш": "sh", "щ": "sh", "ю": "yu", "я": "ya"})
    | str.maketrans({"ş": "sh", "ç": "ch", "ı": "i"})
)
_APOSTROPHES = frozenset("'`´‘’‛ʹʻʼʽʾʿˈˊˋ′‵＇｀")
_VOWEL_MARKS = (0, 9)  # combining classes of vowel signs and virama in Indic scripts; accents have others


def key(sentence: str, language: str) -> str:
    """Sentence and language code -> the string to compare by: lower-case words of letters and digits, single spaces.

    Case, punctuation, width, apostrophes, accents (also ё/е) and, in Uzbek, the alphabet make no difference. "" when
    nothing is left, which means: unknown.
    """
    bare = "".join(char for char in sentence if char not in _APOSTROPHES)  # first: NFKC makes a space of ´
    text = unicodedata.normalize("NFKC", bare).casefold()
    if language == "uz":
        text = text.translate(_UZBEK).replace("ye", "e")
    # Decomposing takes the dots off ё, as Russian print does; й is another letter than и and is kept whole.
    text = unicodedata.normalize("NFKD", text.replace("й", "\0")).replace("\0", "й")
    return " ".join("".join(_kept(char) for char in text).split())


def _kept(char: str) -> str:
    """A letter, digit or vowel sign as it is; "" for accents and what has no width; a space for the rest."""
    category = unicodedata.category(char)
    if category[0] in "LN" or (category[0] == "M" and unicodedata.combining(char) in _VOWEL_MARKS):
        return char
    return "" if category[0] == "M" or category == "Cf" else " "


def similarity(left: str, right: str) -> float:
    """How alike two keys are, 0 to 1: twice their longest common subsequence over the sum of their lengths."""
    return fuzz.ratio(left, right) / 100


def clusters(keys: Sequence[str], threshold: float = THRESHOLD) -> list[int]:
    """For distinct keys, the number of each one's cluster: keys of similarity >= `threshold` share it, also by chains.

    MinHash-LSH proposes pairs, so the time grows about linearly; the rare pair it misses stays apart.
    """
    return components(
        len(keys), [pair for pair in _proposed(keys) if similarity(*(keys[i] for i in pair)) >= threshold]
    )


def components(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """For each of `count` things, the number of the connected group that `pairs` tie it into."""
    left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    return connected_components(graph, directed=False)[1].tolist() if count else []


def _proposed(keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    shingles = ([text[i : i + SHINGLE].encode() for i in range(max(1, len(text) - SHINGLE + 1))] for text in keys)
    for right, sketch in enumerate(MinHash.generator(shingles, num_perm=BANDS * ROWS, seed=MINHASH_SEED)):
        for left in index.query(sketch):
            yield left, right
        index.insert(right, sketch)


def similar_across(left: Sequence[str], right: Sequence[str], threshold: float) -> set[int]:
    """Indices of `left` whose key is of similarity >= `threshold` to some key of `right`. Every pair is compared."""
    hits: set[int] = set()
    for start, scores in _blocks(left, right, threshold):
        hits.update((start + np.flatnonzero(scores.max(axis=1) >= threshold * 100)).tolist())
    return hits


def closest(left: Sequence[str], right: Sequence[str]) -> tuple[float, int, int] | None:
    """The most alike pair as (similarity, index in `left`, index in `right`); None when a side is empty."""
    best = None
    for start, scores in _blocks(left, right, 0.0):
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        score = float(scores[row, column]) / 100
        if best is None or score > best[0]:
            best = (score, start + int(row), int(column))
    return best


def _blocks(left: Sequence[str], right: Sequence[str], threshold: float) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, scores 0-100 of shape (rows, len(right))) over all pairs."""
    if not right:
        return
    for start in range(0, len(left), BLOCK):
        rows = left[start : start + BLOCK]
        # A cutoff a hair lower: float32 must not lose a pair that lies exactly on it.
        yield (
            start,
            process.cdist(
                rows, right, scorer=fuzz.ratio, score_cutoff=max(0, threshold * 100 - 0.01), dtype=np.float64
            ),
        )
