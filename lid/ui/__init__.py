"""The page: `build` lays it out and wires it to a model, `launch_options` says how it is served."""

from lid.ui.page import build, launch_options

__all__ = ["build", "launch_options"]
