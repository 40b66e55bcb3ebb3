"""What "this is wrong" saves: the numbers, the language, and nothing that tells whose recording it was."""

import base64
import json
import re

from lid.ui import feedback
from lid.ui.texts import ENGLISH
from tests.ui.predictions import make_prediction


def files(prediction) -> dict[str, dict]:
    links = re.findall("base64,([^']+)'>(.*?)</a>", feedback.links(prediction, False, ENGLISH))
    return {label: json.loads(base64.b64decode(data)) for data, label in links}


def test_one_link_for_each_other_language():
    saved = files(make_prediction([0.97, 0.02, 0.01]))
    assert list(saved) == ["Russian", "English", "another language"]
    assert [file["spoken"] for file in saved.values()] == ["ru", "en", "other"]
    answer = saved["Russian"]["answer"]
    assert answer["probabilities"] == {"uz": 0.97, "ru": 0.02, "en": 0.01}
    assert answer["language"] == "uz"
    assert set(answer) == set(feedback.KEPT)
    assert "timeline" not in answer


def test_what_was_refused_may_be_any_of_the_three():
    assert list(files(make_prediction([0.97, 0.02, 0.01], known=False))) == ["Uzbek", "Russian", "English"]
