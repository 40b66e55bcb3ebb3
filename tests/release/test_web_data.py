"""What web/ has in common with the package is made from the package."""

import re
import string

from lid.release import web_data
from lid.ui import texts
from lid.ui.texts import web


def test_the_file_is_up_to_date():
    assert web_data.FILE.read_text(encoding="utf-8") == web_data.as_javascript(), "run: python -m lid.release.web_data"


def test_every_problem_of_the_page_has_a_sentence_in_every_language():
    reasons = set()
    for path in web_data.FILE.parent.glob("*.js"):
        if path.name != web_data.FILE.name:
            reasons |= set(re.findall(r'(?:Problem\(|reason: )"(\w+)"', path.read_text()))
    reasons -= {"undecodable", "dropped"}  # between the page and its worker
    for code, told in web_data.data()["TEXTS"].items():
        assert reasons <= told["problems"].keys(), code
        for reason, sentence in told["problems"].items():
            left = {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
            assert left <= {"file"}, (code, reason)


def test_the_languages_say_the_same_things():
    assert texts.ALL.keys() == web.ALL.keys()
    for code, told in web.ALL.items():
        assert {*told.problems, *texts.ALL[code].problems} >= {*web.ENGLISH.problems}, code
