"""What a visitor does on the page, and reads there."""

import pytest

DONE = "#answer [data-kind]:not([data-kind=waiting]):not([data-kind=working]):not([data-kind=listening])"


def slow(value):
    """A parameter whose test runs with -m slow only."""
    return pytest.param(value, marks=pytest.mark.slow)


def answer(page) -> str:
    """The text of the answer's headline and what follows, once there is one."""
    card = page.locator(DONE)
    card.wait_for()
    return card.inner_text().removeprefix(source(page)).strip()


def source(page) -> str:
    """The name of the file that the card is about; empty where it has none."""
    name = page.locator("#answer .lid-source")
    return name.inner_text() if name.count() else ""


def send(page, clip) -> None:
    """Drop a file, or a list of them."""
    page.locator("#upload input[type=file]").set_input_files(clip)


def upload(page, clip) -> str:
    """Drop a file, or a list of them, and wait for the answer to that."""
    page.evaluate("document.querySelector('#answer [data-kind]').dataset.kind = 'waiting'")  # not the one before
    send(page, clip)
    return answer(page)


def example(page, name: str) -> None:
    """Click an example."""
    page.get_by_role("button", name=name, exact=True).click()


def states(page) -> None:
    """From now on, `seen` tells which kinds of card have been shown."""
    page.evaluate(
        """() => {
          window.kinds = [];
          new MutationObserver(() => {
            const kind = document.querySelector("#answer [data-kind]")?.dataset.kind;
            if (kind && kinds.at(-1) !== kind) kinds.push(kind);
          }).observe(document.querySelector("#answer"), {childList: true, subtree: true});
        }"""
    )


def seen(page) -> list[str]:
    """The kinds of card since `states`, in order."""
    return page.evaluate("kinds")


def tab_to(page, selector: str) -> None:
    """Go to a button with the Tab key."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not get to {selector}")


def press(page, selector: str) -> None:
    """Go to a button with the Tab key, and press Enter."""
    tab_to(page, selector)
    page.keyboard.press("Enter")
