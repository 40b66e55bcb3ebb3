"""The whole recipe: from a Common Voice folder to a checkpoint, a card and a report."""

import json
import shutil

import pytest
import torch

import train_lora
from lid import InputError, LanguageIdentifier, audio
from lid.model import checkpoint
from lid.release import report
from tests.conftest import EXAMPLES
from tests.recipe import SPOKEN


def test_prepare_only_stops_after_the_audit(command):
    arguments, output = command.arguments, command.output
    assert train_lora.main([*arguments, "--prepare-only", "--output", str(output) + "-prepared"]) == 0
    prepared = output.with_name(output.name + "-prepared")
    records = ["dropped.tsv", "settings.json", "split.tsv", "split_audit.json"]
    assert sorted(file.name for file in prepared.iterdir()) == records
    audit = json.loads((prepared / "split_audit.json").read_text())
    assert audit["dropped_for_quality"]["uz"]["empty"] == 1
    assert "broken.mp3" in (prepared / "dropped.tsv").read_text()


def test_what_a_run_leaves(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert 0 <= metrics["test"]["accuracy"] <= 1
    assert metrics["test"]["clips"] == metrics["clips"]["test"]
    assert [entry["step"] for entry in metrics["history"]] == [2, 4]
    assert metrics["background"] == ["kk"]
    assert metrics["settings"]["distil"] == 0.0  # its base model has no decoder
    assert set(metrics["open_set"]["foreign"]) == {"kk", "tr", "all"}
    assert all(entry["score"] == pytest.approx(entry["accuracy"] + entry["auroc"]) for entry in metrics["history"])
    assert metrics["open_set"]["no_speech"]["silence"]["accuracy"] == 1.0
    assert metrics["clips"]["foreign"] == metrics["open_set"]["foreign"]["all"]["clips"] > 0
    assert "length of the clip only" in metrics["baselines"]
    assert metrics["kept"] in (2, 4)
    assert [point["step"] for point in metrics["curve"]] == [1, 2, 3, 4]
    assert all(0 <= entry["worst_group"] <= 1 for entry in metrics["history"])
    assert (finished / "adapter" / "adapter_model.safetensors").exists()
    assert not [file for file in finished.rglob("*") if file.suffix in {".bin", ".pt", ".pth", ".pkl"}]


def test_what_is_published_names_no_place_of_this_machine(finished, corpus, command):
    metrics, settings = ((finished / name).read_text() for name in ("metrics.json", "settings.json"))
    for place in (corpus, finished.parent):
        assert str(place) not in metrics
        assert str(place) in settings
    assert json.loads(metrics)["settings"]["held_out_languages"] == ["tr"]


def test_a_corpus_that_nothing_was_trained_on_is_tested_on_apart(finished, unseen):
    metrics = json.loads((finished / "metrics.json").read_text())
    ((name, other),) = metrics["other_corpora"].items()
    assert name == unseen.name
    assert (other["clips"], other["speakers"]) == (6, 6)
    assert other["recall"]["uz"]["clips"] == 2
    assert "elsewhere" not in (finished / "split.tsv").read_text()


def test_the_checkpoint_serves(finished):
    prediction = LanguageIdentifier.load(finished / "merged").identify(audio.decode(EXAMPLES / "uzbek.mp3"))
    assert prediction.language in (*SPOKEN, None)  # what so small a model takes for speech is anybody's guess
    assert prediction.known in (True, False)


def test_the_same_command_again_goes_on_where_it_was(finished, command):
    before = (finished / "metrics.json").read_text()
    assert train_lora.main(command.arguments) == 0
    assert (finished / "metrics.json").read_text() == before


def test_card_and_report_say_what_was_measured(finished, tmp_path):
    statement = tmp_path / "data.md"
    statement.write_text("Made of synthetic examples.")
    report.install(finished, statement, tmp_path)
    test = json.loads((finished / "metrics.json").read_text())["test"]
    for text in ((tmp_path / "REPORT.md").read_text(), (tmp_path / "assets" / "model" / "README.md").read_text()):
        assert f"{test['accuracy']:.1%}" in text
        assert "Made of synthetic examples." in text
        assert "{" not in text.replace("{\n", "").split("```")[0]
    assert "### Corpora that nothing was trained on" in (tmp_path / "REPORT.md").read_text()
    assert LanguageIdentifier.load(tmp_path / "assets" / "model")


def test_a_run_begins_alike_whether_its_clips_are_in_the_cache_or_not(command, tmp_path, monkeypatch):
    begun = []

    def stop(model, *others):
        begun.append({name: weight.detach().clone() for name, weight in model.named_parameters()})
        raise InputError("That is enough.")

    monkeypatch.setattr(train_lora.loop, "train", stop)
    for _ in range(2):
        places = ["--cache-dir", str(tmp_path / "cache"), "--output", str(tmp_path / "out")]
        assert train_lora.main([*command.arguments, *places]) == 1
    for name, weight in begun[0].items():
        assert torch.equal(weight, begun[1][name]), name


def test_a_base_model_with_a_decoder_teaches(command, talking, tmp_path, monkeypatch):
    begun = []

    def stop(model, batches, *others):
        begun.append((checkpoint.Checkpoint.merged(model), batches[0]))
        raise InputError("That is enough.")

    monkeypatch.setattr(train_lora.loop, "train", stop)
    places = ["--base-model", str(talking), "--output", str(tmp_path)]
    assert train_lora.main([*command.arguments, *places, "--background-share", "0.5"]) == 1
    ((made, batch),) = begun
    assert made.detector.sounds_languages == ("uz", "ru", "en", "tr")
    assert made.detector.sounds_weight.shape == (4, made.model.config.classifier_proj_size)
    assert batch["clean"].shape == batch["mel"].shape
    torch.testing.assert_close(batch["posterior"].sum(dim=1), torch.ones(7), atol=0.01, rtol=0)
    assert (batch["labels"] == 3).sum() == 3


def test_mistakes_are_sentences(command, capsys, tmp_path):
    arguments = command.arguments
    assert train_lora.main([*arguments, "--held-out-languages", "xx"]) == 1
    assert "--held-out-languages names xx" in capsys.readouterr().err
    assert train_lora.main([*arguments, "--background-share", "1.5"]) == 1
    assert "--background-share is a share from 0 to under 1, not 1.5" in capsys.readouterr().err
    assert train_lora.main([*arguments, "--data", str(tmp_path / "nowhere")]) == 1
    assert (
        train_lora.main([*arguments, "--base-model", str(tmp_path / "nothing"), "--output", str(tmp_path / "o")]) == 1
    )
    complaints = capsys.readouterr().err
    assert "no such folder" in complaints
    assert "No Whisper model" in complaints


def test_a_run_that_is_not_finished_has_no_report(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 1
    assert "no finished run" in capsys.readouterr().err


def test_a_language_that_its_data_has_lost_ends_the_run(corpus, command, tmp_path, capsys):
    """The files of one language have names that are in no row."""
    shutil.copytree(corpus, tmp_path / "corpus")
    clips = tmp_path / "corpus" / "uz" / "clips"
    for number, clip in enumerate(sorted(clips.iterdir())):
        clip.rename(clips / f"{number}.flac")
    arguments = [*command[0], "--data", str(tmp_path / "corpus"), "--output", str(tmp_path / "out")]
    assert train_lora.main(arguments) == 1
    complaint = capsys.readouterr().err
    assert "because the row names a file that does not exist: broken.mp3, uz-0.8-0.flac, uz-0.8-1.flac." in complaint
    assert "are in no row: 0.flac, 1.flac, 10.flac." in complaint
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["dropped.tsv"]
