"""How the page is served: its look, its texts for the browser, its limits, and its end."""

import json
from importlib.util import find_spec
from pathlib import Path

import gradio as gr

from lid.audio import FORMATS_IN_WORDS, Limits
from lid.errors import InputError
from lid.ui import scripts, settings, texts, wording
from lid.ui.api import ENDPOINTS, PREDICTION_SCHEMA
from lid.ui.gradio_patches import browser, mcp_tool, multipart, request_guard, shutdown
from lid.ui.texts import Texts

HERE = Path(__file__).parent
ICON = (
    "<link rel='icon' href='favicon.ico'>"  # browsers else use the icon of the host, which behind a proxy is another's
)
BROWSER_TEXTS = ("title", "record", "stop", "upload", "upload_phone", "drop", "earlier", "compare", "close", "device")
# Gradio loads the page piece by piece, and its parts would jump. They are unseen until the last one, the recorder, is
# there; after four seconds they are seen in any case.
STEADY = """<style>
.gradio-container { width: 100%; max-width: 1120px; margin: 0 auto }
.gradio-container:not(:has(.record-button)) main { visibility: hidden; animation: lid-seen 0s 4s forwards }
@keyframes lid-seen { to { visibility: visible } }
</style>"""
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "sans-serif"]  # nothing to download


def serve(page: gr.Blocks, limits: Limits, port: int) -> None:
    """Launch the page on a port and stay until it is stopped."""
    multipart.install()
    page.launch(server_port=port, prevent_thread_lock=True, **launch_options(limits))
    mcp_tool.improve(page, PREDICTION_SCHEMA, FORMATS_IN_WORDS)
    shutdown.notify_clients_on_sigterm(page)
    page.block_thread()


def launch_options(limits: Limits) -> dict:
    """Arguments of `launch`. Nothing is fetched from another host or sent to one."""
    return {
        "theme": _theme(),
        "css_paths": HERE / "style.css",
        "head": ICON + STEADY + _script(limits),
        "i18n": gr.I18n(**{code: _static(words, limits) for code, words in texts.ALL.items()}),
        "favicon_path": HERE / "favicon.svg",
        "footer_links": ["api", "settings"],
        "share": False,
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "app_kwargs": {"middleware": request_guard.middleware(limits, ENDPOINTS)},
        "mcp_server": find_spec("mcp") is not None,
        "max_file_size": limits.max_bytes,
        "state_session_capacity": settings.SESSIONS,
    }


def _script(limits: Limits) -> str:
    """What runs in the browser, and the texts it needs."""
    too_large = InputError("", "too_large")
    words = {
        code: {
            "failed": said.failed,
            "too_large": wording.explained(too_large, said, limits),
            "status": {"queue:": f"{said.queued}:", "processing |": f"{said.working} |"},
            "restarting": said.restarting,
            "busy": said.busy,  # a call that waited lost its place
            **{name: getattr(said, name) for name in BROWSER_TEXTS},
            "microphone": _microphone_cards(said),
        }
        for code, said in texts.ALL.items()
    }
    return f"<script>window.lidWords = {json.dumps(words)};\n{scripts.script()}\n{browser.script()}</script>"


def _microphone_cards(words: Texts) -> dict[str, str | dict[str, str]]:
    """By why the microphone cannot be used; where it is forbidden, by the kind of browser."""
    denied = {kind: wording.microphone("denied", kind, words) for kind in words.allow_microphone}
    others = [why for why in words.microphone if why != "denied"]
    return {"denied": denied, **{why: wording.microphone(why, "", words) for why in others}}


def _static(words: Texts, limits: Limits) -> dict[str, str]:
    """The texts that the browser translates, by the keys of `translation.mark`: all that is shown before a call."""
    legends = dict.fromkeys(("timeline", "evidence"), wording.legend(words))
    pictures = {}
    for name, (heading, how_to_read) in words.pictures.items():
        pictures[f"picture_{name}"] = wording.subheading(heading, legends.get(name, ""))
        pictures[f"caption_{name}"] = wording.note(how_to_read)
    examples = {f"example_{name}": said for name, said in words.example_names.items()}
    return {
        "title": words.title,
        "header": wording.header(words),
        "record": words.record,
        "live": words.live,
        "live_note": wording.live_note(words),
        "upload": words.upload,
        "limits_note": wording.limits_note(words, limits),
        "examples": wording.subheading(words.examples),
        "examples_note": wording.note(words.examples_note),
        "waiting": wording.waiting(words),
        "busy": wording.busy(words),
        "broken": wording.failure(words, words.broken_note),
        "restarting": wording.failure(words, words.restarting),
        "keys_note": wording.keys_note(words),
        "layer": words.layer,
        "head": words.head,
        **pictures,
        **examples,
    }


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="zinc",
        radius_size="lg",
        font=FONTS,
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
    )
