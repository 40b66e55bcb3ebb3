"""A visitor's newest action wins."""

import copy
import threading

import numpy as np

from lid.ui.visit import Task, Visit, light
from tests.ui.predictions import make_prediction


def test_updates_end_when_something_newer_begins():
    visit = Visit()
    visit.begin(Task("file", ("old.wav",)))
    task, action = visit.take()
    assert task == Task("file", ("old.wav",))
    updates = visit.while_newest(action, iter(["bar", "more", "answer"]))
    assert next(updates) == "bar"
    visit.begin()
    assert list(updates) == []


def test_what_was_stopped_ends_when_the_newer_task_is_taken():
    visit = Visit()
    visit.begin(Task("file", ("old.wav",)))
    updates = visit.while_newest(visit.take()[1], iter(["bar", "more"]))
    next(updates)
    visit.begin(Task("file", ("new.wav",)))
    ended = threading.Event()
    threading.Thread(target=lambda: (list(updates), ended.set())).start()
    assert not ended.wait(0.1)
    assert visit.take()[0] == Task("file", ("new.wav",))
    assert ended.wait(60)


def test_a_task_is_done_once():
    visit = Visit()
    visit.begin(Task("file", ("first.wav",)))
    visit.begin(Task("file", ("second.wav",)))
    assert visit.take()[0] == Task("file", ("second.wav",))
    assert visit.take()[0] is None


def test_what_is_stopped_is_closed():
    visit, closed = Visit(), []

    def updates():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    visit.begin()
    running = visit.while_newest(visit.newest, updates())
    next(running)
    visit.begin()
    assert list(running) == []
    assert closed == [True]


def test_each_visitor_has_a_visit_of_their_own():
    shared = Visit()
    shared.begin()
    assert copy.deepcopy(shared).newest == 0


def test_a_row_keeps_the_verdict_and_not_the_frames():
    prediction = make_prediction([0.9, 0.1, 0.0], frame_logits=np.ones((500, 3), np.float32), frame_starts=np.ones(500))
    kept = light(prediction)
    assert kept.to_dict() == prediction.to_dict()
    assert kept.frame_logits.size == kept.frame_starts.size == 0
