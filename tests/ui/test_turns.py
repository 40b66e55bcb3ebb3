"""The model works for one visitor at a time, window by window, first come first served."""

import threading

from lid.ui.turns import Turns


def test_a_long_recording_gives_way_after_each_window():
    turns, order = Turns(), []
    begun, queued = threading.Event(), threading.Event()

    def long():
        for window in range(3):
            order.append(f"long {window}")
            begun.set()
            queued.wait(60)
            yield window

    def short():
        order.append("short")
        yield 0

    first = threading.Thread(target=lambda: list(turns.each(long())))
    first.start()
    begun.wait(60)
    second = threading.Thread(target=lambda: list(turns.each(short())))
    second.start()
    while not turns._waiting:  # the short one stands in line while the long one has its first turn
        pass
    queued.set()
    first.join(60)
    second.join(60)
    assert order == ["long 0", "short", "long 1", "long 2"]


def test_closing_ends_the_work_and_the_turn():
    turns, closed = Turns(), []

    def steps():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    under_way = turns.each(steps())
    assert next(under_way) == 1
    under_way.close()
    assert closed == [True]
    assert list(turns.each(iter([3]))) == [3]


def test_an_error_ends_the_turn():
    turns = Turns()

    def fails():
        raise ValueError
        yield

    try:
        list(turns.each(fails()))
    except ValueError:
        assert list(turns.each(iter([1]))) == [1]
    else:
        raise AssertionError
