"""The page: `build` lays it out and wires it to a model, `serve` launches it."""

from lid.ui.page import build, serve

__all__ = ["build", "serve"]
