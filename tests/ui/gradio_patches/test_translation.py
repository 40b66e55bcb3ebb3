"""The mark has the form that Gradio's page looks for."""

import json

from lid.ui.gradio_patches import translation
from tests.ui.gradio_patches.frontend import frontend


def test_the_mark_is_the_one_that_the_page_replaces():
    start, data = translation.mark("title")[:8], translation.mark("title")[8:]
    assert json.loads(data) == {"__type__": "translation_metadata", "key": "title"}
    assert start == "__i18n__"
    assert start in frontend()
    assert "translation_metadata" in frontend()
