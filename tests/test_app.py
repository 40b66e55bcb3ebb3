"""The running app as programs and agents meet it: its endpoints on good and bad files, README's examples, and what is
kept shut."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import QueueError

from lid import InputError, audio
from lid.ui.texts import ENGLISH, RUSSIAN

ROOT = Path(__file__).parent.parent


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
    assert result["probabilities"] == pytest.approx(expected["probabilities"], abs=0.02)  # another precision
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
    answer = identify(client, clips["silence"])
    assert (answer["language"], answer["verdict"], answer["languages"]) == (None, "no_speech", [])


def test_the_verdict_and_damage_are_told(client, clips):
    names = ("speech", "webm", "truncated")
    answers = client.predict([handle_file(clips[name]) for name in names], api_name="/identify_batch")
    told = [(answer["verdict"], answer["languages"], answer["damaged"]) for answer in answers]
    assert told == [("language", ["uz"], False), ("several", ["uz", "en"], False), ("language", ["uz"], True)]


@pytest.mark.parametrize("argument", ["a bare string", {"path": "/etc/hostname"}, None])
def test_every_failed_call_says_why(app_url, argument):
    stream = ask(app_url, "identify", [] if argument is None else [argument])
    assert "event: error" in stream
    assert "Call this endpoint with" in stream


def test_an_unknown_endpoint_is_told_which_there_are(app_url):
    with pytest.raises(urllib.error.HTTPError) as reply:
        ask(app_url, "nosuch", [])
    assert reply.value.code == 404
    assert "/identify_batch" in json.load(reply.value)["detail"]


def test_no_file_gets_a_sentence(client):
    with pytest.raises(AppError, match=ENGLISH.no_file):
        client.predict(None, api_name="/identify")


def test_a_batch_answers_in_order_and_a_bad_file_stops_nobody(client, clips):
    names = ["speech", "text", "silence"]
    files = [handle_file(clips[name]) for name in names]
    speech, text, silence = client.predict(files, api_name="/identify_batch")
    with pytest.raises(InputError) as expected:
        audio.decode(clips["text"])
    assert speech == identify(client, clips["speech"])
    assert text == {"error": str(expected.value)}
    assert silence["language"] is None


def test_a_full_queue_is_told_in_the_language_asked_for(busy_url):
    body = json.dumps({"data": [None]}).encode()
    for wanted, words in (("ru-RU,ru;q=0.9", RUSSIAN), ("de", ENGLISH)):
        head = {"Content-Type": "application/json", "Accept-Language": wanted}
        with pytest.raises(urllib.error.HTTPError) as reply:
            urllib.request.urlopen(urllib.request.Request(f"{busy_url}/gradio_api/call/identify", body, head))
        assert reply.value.code == 503
        assert json.load(reply.value)["detail"].startswith(f"{words.busy}. ")


def test_a_full_queue_is_told_to_the_client(busy_url, clips):
    with pytest.raises(QueueError, match="Please try again"):
        identify(Client(busy_url, verbose=False), clips["speech"])


def test_a_batch_of_nothing_gets_a_sentence(client):
    with pytest.raises(AppError, match=ENGLISH.no_file):
        client.predict([], api_name="/identify_batch")


def test_two_endpoints_are_public_and_typed(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert list(endpoints) == ["/identify", "/identify_batch"]
    one, several = (endpoint["returns"][0]["python_type"]["type"] for endpoint in endpoints.values())
    for word in ("verdict", "probabilities", "known", "timeline", "duration_seconds"):
        assert word in one
        assert word in several
    assert "error" in several


def readme_code(heading: str, language: str) -> str:
    """The code block in a language under a heading of README.md."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


def test_readme_python_example_runs_as_it_stands(app_url):
    code = readme_code("From a program", "python").replace("http://127.0.0.1:7860", app_url)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, first, uzbek, russian, readme = done.stdout.splitlines()
    assert first.startswith("en {")
    assert uzbek == "assets/examples/uzbek.mp3 uz None"
    assert russian == "assets/examples/russian.ogg ru None"
    assert readme.startswith("README.md None This file is not audio")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_readme_curl_example_runs_as_it_stands(app_url):
    code = readme_code("From a program", "bash").replace("http://127.0.0.1:7860", app_url)
    done = subprocess.run(["bash", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "event: complete" in done.stdout, done.stderr
    data = done.stdout.split("data: ")[-1].splitlines()[0]
    assert json.loads(data)[0]["language"] == "ru"


def test_agents_find_the_tool_that_works_and_call_it(app_url, clips, client):
    answer = tools(app_url, "identify", {"file": as_data(clips["speech"])})
    assert answer["tools"] == ["identify"]
    assert not answer["error"]
    assert answer["structured"] == json.loads(answer["text"]) == identify(client, clips["speech"])
    assert answer["structured"]["verdict"] == "language"
    assert answer["output"]["required"] == list(answer["structured"])
    assert "data:audio/mpeg;base64," in answer["input"]["properties"]["file"]["description"]


def test_agents_may_name_an_upload_by_its_address(app_url, clips, client):
    path = upload(app_url, clips["speech"])
    answer = tools(app_url, "identify", {"file": f"{app_url}/gradio_api/file={path}"})
    assert not answer["error"], answer["text"]


def test_agents_are_told_what_is_wrong_with_a_file(app_url, clips):
    with pytest.raises(InputError) as expected:
        audio.decode(clips["text"])
    for name, sentence in (("text", str(expected.value)), ("empty", "empty"), ("short", "0.20 s")):
        answer = tools(app_url, "identify", {"file": as_data(clips[name])})
        assert answer["error"]
        assert sentence in answer["text"]
        assert answer["text"][0] not in "'\""


@pytest.mark.parametrize(
    "file", ["{clip}", "file://{clip}", "{url}/gradio_api/file={clip}", "http://127.0.0.1:9/a.wav"]
)
def test_agents_reach_no_file_of_the_server_and_no_other_address(app_url, clips, file):
    answer = tools(app_url, "identify", {"file": file.format(clip=clips["speech"], url=app_url)})
    assert answer["error"]
    assert "probabilities" not in answer["text"]


@pytest.mark.parametrize("path", ["https://example.com/clip.wav", "http://127.0.0.1:9/clip.wav"])
def test_links_are_not_opened(app_url, path):
    assert ENGLISH.no_links in call(app_url, path)


def test_files_of_the_server_are_out_of_reach(app_url, clips):
    assert "This path is not an upload." in call(app_url, str(clips["speech"]))
    assert status(f"{app_url}/gradio_api/file={clips['speech']}") == 403


def test_uploads_are_the_servers_alone_and_calls_leave_no_files(app, app_url, clips):
    path = Path(upload(app_url, clips["text"]))
    assert path != Path(upload(app_url, clips["text"]))  # whoever has the file does not know where another's is
    for place in (app.uploads, path.parent, path):
        assert place.stat().st_mode & 0o077 == 0
    before = set(app.uploads.rglob("*"))
    call(app_url, str(path))
    assert set(app.uploads.rglob("*")) <= before


def test_nothing_leaves_the_machine(client, clips, outbound):
    identify(client, clips["speech"])
    assert outbound.read_text() == ""


def test_no_monitoring_and_no_history(app_url):
    assert status(f"{app_url}/monitoring") in (403, 404)
    config = json.load(urllib.request.urlopen(f"{app_url}/config"))
    assert not config["analytics_enabled"]
    assert not config["run_history"]
    assert config["max_file_size"] == audio.DEFAULT_LIMITS.max_bytes


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LID_MAX_SECONDS", "ten minutes", "LID_MAX_SECONDS is 'ten minutes'"),
        ("MODEL_ID", "/nowhere/at/all", "No model could be loaded from /nowhere/at/all"),
    ],
)
def test_an_unusable_setting_is_said_in_a_sentence(name, value, sentence):
    environment = {**os.environ, name: value, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "app.py"], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def tools(app_url: str, name: str, arguments: dict) -> dict:
    """What an MCP client sees: the tools' names, the first one's schemas, and what a call of one gives."""
    anyio = pytest.importorskip("anyio")
    mcp = pytest.importorskip("mcp", reason="MCP needs: pip install 'gradio[mcp]'")
    from mcp.client.streamable_http import streamable_http_client

    async def run() -> dict:
        async with (
            streamable_http_client(f"{app_url}/gradio_api/mcp/") as (reading, writing, _),
            mcp.ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            listed = await session.list_tools()
            answer = await session.call_tool(name, arguments)
            text = " ".join(part.text for part in answer.content if part.type == "text")
            tool = listed.tools[0]
            return {
                "tools": [tool.name for tool in listed.tools],
                "input": tool.inputSchema,
                "output": tool.outputSchema,
                "error": answer.isError,
                "text": text,
                "structured": answer.structuredContent,
            }

    # In a thread of its own: a browser test may have left its event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, run).result()


def as_data(path: Path) -> str:
    return f"data:audio/mpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"


def upload(app_url: str, path: Path) -> str:
    """Send a file as a browser does; returns its path on the server."""
    border = "a-border-between-parts"
    head = f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{border}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
    request = urllib.request.Request(f"{app_url}/gradio_api/upload", body, kind)
    return json.load(urllib.request.urlopen(request))[0]


def call(app_url: str, path: str) -> str:
    """The bare HTTP endpoint with a path of the caller's choosing, as an attacker would: the event stream's text."""
    return ask(app_url, "identify", [{"path": path, "meta": {"_type": "gradio.FileData"}}])


def ask(app_url: str, endpoint: str, data: list) -> str:
    """The bare HTTP endpoint with any arguments: the event stream's text."""
    body = json.dumps({"data": data}).encode()
    address = f"{app_url}/gradio_api/call/{endpoint}"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request))["event_id"]
    return urllib.request.urlopen(f"{address}/{event}").read().decode()


def status(address: str) -> int:
    try:
        return urllib.request.urlopen(address).status
    except urllib.error.HTTPError as error:
        return error.code
