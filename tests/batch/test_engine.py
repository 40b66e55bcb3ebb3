"""How recordings are divided among workers."""

import pytest

pytest.importorskip("ray", reason="pip install 'lid-uz-ru-en[batch]': nothing of `lid batch` is tested")

from lid.batch import engine
from lid.batch.listing import Found

MB = 1024**2


def test_each_recording_is_in_one_batch_the_largest_first():
    found = [Found(f"{number}.wav", number * 1000) for number in range(1, 1001)]
    batches = list(engine.divided(found, workers=2))
    assert sorted(one for batch in batches for one in batch.found) == sorted(found)
    sizes = [sum(one.size for one in batch.found) for batch in batches]
    assert batches[0].found[0].size == 1_000_000
    assert max(sizes) <= sum(sizes) / (2 * engine.SHARES)
    assert {batch.of for batch in batches} == {1}


@pytest.mark.parametrize(
    ("megabytes", "workers", "others", "parts"),
    [
        (100, 4, 0, 4),
        (100, 4, 250, 3),  # a part is half of what each worker has to do
        (100, 4, 1000, 1),  # the others take longer anyhow
        (100, 1, 0, 1),
        (7, 4, 0, 1),  # it is short
    ],
)
def test_a_recording_that_would_hold_the_run_is_shared(megabytes, workers, others, parts):
    found = [Found(f"{number}.wav", MB) for number in range(others)]
    batches = list(engine.divided([*found, Found("long.wav", megabytes * MB)], workers))
    of_long = [batch for batch in batches if batch.found[0].path == "long.wav"]
    assert [(batch.part, batch.of) for batch in of_long] == [(part, parts) for part in range(parts)]
    assert all(len(batch.found) == 1 for batch in of_long)
    assert sum(len(batch.found) for batch in batches) == others + parts


def test_on_gpus_nothing_is_shared_and_unknown_sizes_are_not():
    assert len(list(engine.divided([Found("long.wav", 100 * MB)], 4, may_share=False))) == 1
    assert len(list(engine.divided([Found("s3://a/long.wav", None)], 4))) == 1
