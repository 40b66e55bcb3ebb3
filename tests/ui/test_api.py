"""The functions behind the endpoints: their JSON, its stated shape, and what several files may last together."""

import gradio as gr
import jsonschema
import pytest

from lid import InputError, audio
from lid.audio import Limits
from lid.ui import api
from lid.ui.settings import MAX_FILES
from lid.ui.texts import ENGLISH
from tests import hostile
from tests.ui.predictions import TURKISH, make_prediction


def endpoints(limits: Limits = audio.DEFAULT_LIMITS) -> api.Endpoints:
    """With a model that takes everything for Uzbek."""
    return api.Endpoints(lambda waveform: make_prediction([0.97, 0.02, 0.01]), limits)


def test_stated_shape_is_the_shape():
    answer = make_prediction([0.97, 0.02, 0.01]).to_dict()
    stated = api.PREDICTION_SCHEMA["properties"]
    assert list(answer) == api.PREDICTION_SCHEMA["required"]
    assert [*answer, "track", "channels", "speakers"] == list(stated)
    assert list(stated["timeline"]["items"]["properties"]) == [*answer["timeline"][0], "channel"]


def test_another_language_has_the_stated_shape(clips):
    refused = make_prediction([0.97, 0.02, 0.01], known=False, sounds_like=TURKISH)
    answer = api.Endpoints(lambda waveform: refused, audio.DEFAULT_LIMITS).identify(str(clips["speech"]))
    jsonschema.validate(answer, api.PREDICTION_SCHEMA)
    assert answer["sounds_like"] == TURKISH
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer | {"sounds_like": "tr"}, api.PREDICTION_SCHEMA)
    assert "sounds_like" in api.Endpoints.identify.__doc__


def test_a_bad_file_in_a_batch_does_not_stop_the_others(clips):
    good, bad, last = endpoints().identify_batch([str(clips[name]) for name in ("speech", "text", "webm")])
    assert good["language"] == last["language"] == "uz"
    with pytest.raises(InputError) as error:
        audio.decode(clips["text"])
    assert bad == {"error": str(error.value)}


def test_files_together_keep_to_the_length_of_one(clips):
    length = len(audio.decode(clips["speech"])) / audio.SAMPLE_RATE
    tight = endpoints(Limits(max_seconds=1.5 * length))
    first, second = tight.identify_batch([str(clips[name]) for name in ("speech", "webm")])
    assert first["language"] == "uz"
    assert "Together these recordings are longer" in second["error"]


def test_the_same_file_is_identified_once(clips):
    heard = []

    def identify(recording):
        heard.append(recording)
        return make_prediction([0.97, 0.02, 0.01])

    names = ("speech", "unnamed", "text", "text", "speech")  # the second is the first under another name
    answers = api.Endpoints(identify, audio.DEFAULT_LIMITS).identify_batch([str(clips[name]) for name in names])
    assert answers[0] == answers[1] == answers[4]
    assert answers[2] == answers[3]
    assert len(heard) == 1


def test_processor_time_is_what_a_batch_may_take(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "BATCH_CPU", 0.2)
    (tmp_path / "costly").write_bytes(hostile.matroska(inflated=4000))
    first, second = endpoints().identify_batch([str(tmp_path / "costly"), str(clips["speech"])])
    assert "more time or memory" in first["error"]
    assert "Send this one apart" in second["error"]


@pytest.mark.parametrize("files", [None, [], ["x.wav"] * (MAX_FILES + 1)])
def test_no_files_and_too_many_are_errors(files):
    with pytest.raises(InputError):
        api.Budget(files, audio.DEFAULT_LIMITS)


def test_the_number_of_files_is_said_where_programs_read_it():
    assert f"at most {MAX_FILES}" in api.Endpoints.identify_batch.__doc__


def test_damage_is_told(clips):
    cut, whole = endpoints().identify_batch([str(clips["truncated"]), str(clips["speech"])])
    assert (cut["damaged"], whole["damaged"]) == (True, False)


def test_an_unexpected_error_stops_no_other_file_and_tells_nothing_of_the_server(clips, capsys):
    errors = [RuntimeError("a secret of the server")] * 2  # for all files together, and for the first alone

    def identify(waveform):
        if errors:
            raise errors.pop()
        return make_prediction([0.97, 0.02, 0.01])

    files = [str(clips[name]) for name in ("speech", "webm")]
    first, second = api.Endpoints(identify, audio.DEFAULT_LIMITS).identify_batch(files)
    assert first == {"error": ENGLISH.broken_note}
    assert second["verdict"] == "language"
    assert "a secret of the server" in capsys.readouterr().err


def test_an_unexpected_error_of_a_single_file_is_a_sentence(clips):
    with pytest.raises(gr.Error, match="Something went wrong on the server"):
        api.Endpoints(lambda waveform: 1 / 0, audio.DEFAULT_LIMITS).identify(str(clips["speech"]))
