"""Sentences that say the same have one key, and near-duplicates are found without exception where it matters."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lid.data.curation import text

# Latin and Cyrillic spellings of the same Uzbek words, as a person would write them.
UZBEK = [
    ("o'zbek", "ўзбек"),
    ("g‘oya", "ғоя"),
    ("shahar", "шаҳар"),
    ("qo‘shiqchi", "қўшиқчи"),
    ("yer", "ер"),
    ("ekan", "экан"),
    ("ma'no", "маъно"),
    ("yaxshi", "яхши"),
    ("yoshlik", "ёшлик"),
    ("Yulduz", "Юлдуз"),
    ("tinch", "тинч"),
]
APOSTROPHES = "'`´‘’ʻʼ′"
relaxed = settings(max_examples=50, deadline=None)
SENTENCES = st.lists(st.sampled_from([latin for latin, _ in UZBEK]), min_size=1, max_size=8)


@pytest.mark.parametrize("apostrophe", APOSTROPHES)
def test_every_apostrophe_is_the_same(apostrophe):
    assert text.key(f"o{apostrophe}zbek tog{apostrophe}", "uz") == text.key("ozbek tog", "uz")


@pytest.mark.parametrize(("latin", "cyrillic"), UZBEK)
def test_uzbek_alphabets_are_the_same(latin, cyrillic):
    assert text.key(latin, "uz") == text.key(cyrillic, "uz") != ""


def test_a_word_with_letters_of_both_alphabets():
    assert text.key("to‘shаkni yoydi", "uz") == text.key("to'shakni yoydi", "uz")  # the first а is Cyrillic


@relaxed
@given(SENTENCES, st.sampled_from(APOSTROPHES), st.sampled_from(["", ".", "!!", " — ", "?»"]), st.booleans())
def test_respelling_changes_nothing(words, apostrophe, end, loud):
    sentence = " ".join(words)
    respelled = sentence.replace("'", apostrophe).replace("‘", apostrophe).replace(" ", ", ") + end
    assert text.key(respelled.upper() if loud else respelled, "uz") == text.key(sentence, "uz")


def test_other_languages_keep_their_letters():
    assert text.key("Ёлка, йод — её!", "ru") == "елка йод ее"
    assert text.key("Café DON’T 2024", "en") == "cafe dont 2024"
    assert text.key("हिन्दी में", "hi") == "हिन्दी में"
    assert text.key("мой", "ru") != text.key("мои", "ru")


@pytest.mark.parametrize("nothing", ["", "  ", "—…!", "\ufeff'"])
def test_a_sentence_of_no_letters_is_unknown(nothing):
    assert text.key(nothing, "uz") == ""


KEYS = st.lists(st.text("abc ", min_size=1, max_size=12), unique=True, max_size=12)


@relaxed
@given(KEYS, KEYS, st.sampled_from([0.5, 0.75, 0.85, 1.0]))
def test_similar_across_compares_every_pair(left, right, threshold):
    expected = {i for i, a in enumerate(left) if any(text.similarity(a, b) >= threshold for b in right)}
    assert text.similar_across(left, right, threshold) == expected


@relaxed
@given(KEYS, KEYS)
def test_closest_is_the_maximum(left, right):
    found = text.closest(left, right)
    if not left or not right:
        assert found is None
    else:
        score, i, j = found
        assert score == pytest.approx(text.similarity(left[i], right[j]))
        assert score == pytest.approx(max(text.similarity(a, b) for a in left for b in right))


@relaxed
@given(st.lists(SENTENCES.map(" ".join), min_size=1, max_size=10, unique=True), st.randoms(use_true_random=False))
def test_clusters_do_not_depend_on_order_and_never_join_strangers(keys, shuffler):
    def groups(of):
        labels = text.clusters(of)
        return {frozenset(key for key, label in zip(of, labels, strict=True) if label == one) for one in labels}

    found = groups(keys)
    shuffled = list(keys)
    shuffler.shuffle(shuffled)
    assert groups(shuffled) == found
    for group in found:
        for key in group if len(group) > 1 else ():
            assert any(text.similarity(key, other) >= text.THRESHOLD for other in group - {key})


def test_one_changed_word_is_a_near_duplicate_among_many():
    letters = random.Random(0)
    base = [" ".join("".join(letters.choices("abdeghiklmnoprstuvxyz", k=6)) for _ in range(8)) for _ in range(400)]
    changed = [key.rsplit(" ", 1)[0] + " boshqa" for key in base]
    labels = text.clusters(base + changed)
    assert sum(labels[i] == labels[i + len(base)] for i in range(len(base))) >= 0.98 * len(base)
    assert len(set(labels)) >= len(base)
