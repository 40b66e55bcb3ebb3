"""Texts that the browser translates.

What Gradio does (checked in 6.31): `gr.I18n(...)("key")` makes a mark that the browser replaces by the text in its own
language. It is an object, which some components do not take, and it needs the `gr.I18n` that is only passed to
`launch`.

So the mark is made as a string, through `gradio.i18n.I18nData`, which is not documented. Its text form
(`__i18n__{"__type__": ...}`) is what the browser looks for in every string.

At an upgrade, check: that form, and that `gr.HTML`, `gr.Button` labels and tab titles are still translated.
"""

from gradio.i18n import I18nData


def mark(key: str) -> str:
    """A string that the browser replaces by the text for `key` in its language."""
    return str(I18nData(key))
