"""The page's own scripts: each file is served, and what one defines for another is there."""

import re
from pathlib import Path

from lid.ui import scripts
from lid.ui.gradio_patches import browser

WHOLE = scripts.script() + browser.script()


def test_every_file_is_served():
    assert sorted(scripts.FILES) == sorted(path.name for path in Path(scripts.__file__).parent.glob("*.js"))


def test_what_is_called_is_defined():
    called = set(re.findall(r"window\.(lid\w+)[(?.]", WHOLE)) - {"lidWords"}
    assert called
    for name in called:
        assert f"window.{name} = " in WHOLE, name
