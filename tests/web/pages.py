"""What a visitor does on the page without a server."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

DONE = (
    "#answer [data-kind]:not(:is([data-kind=waiting], [data-kind=working], [data-kind=listening], [data-kind=loading]))"
)


def answer(page) -> str:
    """The text of the answer, once there is one."""
    card = page.locator(DONE)
    card.wait_for()
    return card.inner_text()


def drop(page, clips: Path | Sequence[Path]) -> str:
    """Drop a file or several, and read the answer."""
    page.evaluate("document.querySelector('#answer').replaceChildren()")
    page.locator("#files").set_input_files(clips)
    return answer(page)


def table(page, clips: Sequence[Path]) -> list[dict[str, str]]:
    """Drop several files, and download the table."""
    drop(page, clips)
    page.locator("#answer [data-kind=files]").wait_for()
    with page.expect_download() as download:
        page.locator(".lid-download").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def copied_json(page) -> dict:
    """What *Copy as JSON* puts on the clipboard."""
    page.locator("#answer .lid-copy").nth(1).click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.startsWith('{'))")
    return json.loads(page.evaluate("navigator.clipboard.readText()"))
