"""The page: `build` makes it for a model, `serve` launches it.

The names load on first use, so that the texts can be imported without Gradio and plotly.
"""

from importlib import import_module

_HOMES = {"build": "lid.ui.page", "serve": "lid.ui.launch"}
__all__ = ["build", "serve"]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lid.ui' has no attribute {name!r}")
