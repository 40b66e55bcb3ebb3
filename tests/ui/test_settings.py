"""The limits that whoever runs the page may change."""

import pytest

from lid import InputError
from lid.audio import DEFAULT_LIMITS
from lid.ui import settings


def test_length_may_be_lowered_and_raised(monkeypatch):
    monkeypatch.delenv("LID_MAX_SECONDS", raising=False)
    assert settings.limits() == DEFAULT_LIMITS
    monkeypatch.setenv("LID_MAX_SECONDS", "120")
    assert settings.limits().max_seconds == 120
    assert settings.limits().max_bytes == DEFAULT_LIMITS.max_bytes


@pytest.mark.parametrize("value", ["ten", "0", "-5", "nan", "1e9"])
def test_nonsense_is_turned_away(monkeypatch, value):
    monkeypatch.setenv("LID_MAX_SECONDS", value)
    with pytest.raises(InputError, match="LID_MAX_SECONDS"):
        settings.limits()


def test_uploads_are_gone_within_the_hour_the_page_promises():
    assert settings.KEEP_SECONDS + settings.SWEEP_SECONDS < 3600
