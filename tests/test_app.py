"""The running app as programs meet it: the /identify endpoint on good and bad files, and what is kept shut."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from lid import InputError, audio
from lid.ui import wording
from lid.ui.page import KEEP_SECONDS, SWEEP_SECONDS


@pytest.fixture(scope="module")
def client(app_url) -> Client:
    return Client(app_url, verbose=False)


def identify(client: Client, path) -> dict:
    return client.predict(handle_file(path), api_name="/identify")


@pytest.mark.parametrize("name", ["speech", "webm", "truncated", "unnamed", "misnamed", "stereo_192k", "silence"])
def test_identify_answers_what_the_model_says(client, clips, identifier, name):
    expected = identifier.identify(audio.decode(clips[name])).to_dict()
    result = identify(client, clips[name])
    assert result.keys() == expected.keys()
    assert result["language"] == expected["language"]
    assert result["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-4)
    assert result["duration_seconds"] == expected["duration_seconds"]
    assert len(result["timeline"]) == len(expected["timeline"])


@pytest.mark.parametrize("name", ["text", "empty", "short"])
def test_bad_file_gets_the_sentence(client, clips, name):
    with pytest.raises(InputError) as expected:
        audio.decode(clips[name])
    with pytest.raises(AppError) as error:
        identify(client, clips[name])
    assert str(expected.value) in str(error.value)


def test_silence_has_no_language(client, clips):
    assert identify(client, clips["silence"])["language"] is None


def test_no_file_gets_a_sentence(client):
    with pytest.raises(AppError, match=wording.NO_FILE):
        client.predict(None, api_name="/identify")


def test_only_identify_is_public(client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/identify"]


@pytest.mark.parametrize("path", ["https://example.com/clip.wav", "http://127.0.0.1:9/clip.wav"])
def test_links_are_not_opened(app_url, path):
    assert wording.NO_LINKS in call(app_url, path)


def test_files_of_the_server_are_out_of_reach(app_url, clips):
    assert "error" in call(app_url, str(clips["speech"]))
    assert status(f"{app_url}/gradio_api/file={clips['speech']}") == 403


def test_nothing_leaves_the_machine(client, clips, outbound):
    identify(client, clips["speech"])
    assert outbound.read_text() == ""


def test_no_monitoring_and_no_history(app_url):
    assert status(f"{app_url}/monitoring") in (403, 404)
    config = json.load(urllib.request.urlopen(f"{app_url}/config"))
    assert not config["analytics_enabled"]
    assert not config["run_history"]
    assert config["max_file_size"] == audio.DEFAULT_LIMITS.max_bytes


def test_recordings_are_gone_within_the_hour_the_page_promises():
    assert KEEP_SECONDS + SWEEP_SECONDS < 3600


def test_unusable_model_is_said_in_a_sentence():
    environment = {**os.environ, "MODEL_ID": "/nowhere/at/all", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "app.py"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "No model could be loaded from /nowhere/at/all" in done.stderr
    assert "Traceback" not in done.stderr


def call(app_url: str, path: str) -> str:
    """The bare HTTP endpoint with a path of the caller's choosing, as an attacker would: the event stream's text."""
    body = json.dumps({"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}).encode()
    address = f"{app_url}/gradio_api/call/identify"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request))["event_id"]
    return urllib.request.urlopen(f"{address}/{event}").read().decode()


def status(address: str) -> int:
    try:
        return urllib.request.urlopen(address).status
    except urllib.error.HTTPError as error:
        return error.code
