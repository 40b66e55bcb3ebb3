"""The page that the installed Gradio sends to browsers, as text to look for names in."""

from functools import cache
from pathlib import Path

import gradio


@cache
def frontend(start: str = "") -> str:
    """All scripts whose file names begin with `start`, one after another."""
    folder = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"{start}*.js")))
