"""What a sentence says, whatever its spelling: one key per sentence, and sentences that are nearly the same.

Common Voice spells one Uzbek word o'zbek, oʻzbek, o‘zbek, o`zbek, O'ZBEK and ўзбек; a split by exact string lets all of
them cross it. Keys are for comparing only: letters and digits, lower case, Uzbek in Latin without any apostrophe.
"""

import unicodedata
from collections.abc import Sequence

import numpy as np
from rapidfuzz import fuzz
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lid.data.curation import pairs

THRESHOLD = 0.85  # similarity from which two sentences count as one; see `similarity`

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
    Every pair is compared."""
    found = [np.stack(of[:2], axis=1) for of in pairs.alike(keys, keys, threshold)]
    return components(len(keys), np.concatenate(found) if found else [])


def components(count: int, ties: Sequence[tuple[int, int]] | np.ndarray) -> list[int]:
    """For each of `count` things, the number of the connected group that `ties` put it into."""
    left, right = np.array(ties, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    return connected_components(graph, directed=False)[1].tolist() if count else []


def similar_across(left: Sequence[str], right: Sequence[str], threshold: float) -> set[int]:
    """Indices of `left` whose key is of similarity >= `threshold` to some key of `right`. Every pair is compared."""
    return {int(i) for rows, _, _ in pairs.alike(left, right, threshold) for i in rows}


def closest(left: Sequence[str], right: Sequence[str]) -> tuple[float, int, int] | None:
    """The most alike pair as (similarity, index in `left`, index in `right`); None when a side is empty."""
    for at_least in (0.7, 0.4, 0.0):  # the higher it is, the fewer pairs have to be looked at
        if found := _closest(left, right, at_least):
            return found
    return None


def _closest(left: Sequence[str], right: Sequence[str], at_least: float) -> tuple[float, int, int] | None:
    best: tuple[float, int, int] | None = None

    def threshold() -> float:
        return best[0] if best else at_least

    for rows, columns, scores in pairs.alike(left, right, threshold):
        place = int(scores.argmax())
        if best is None or scores[place] > best[0]:
            best = float(scores[place]), int(rows[place]), int(columns[place])
    return best
