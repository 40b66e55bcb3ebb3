"""Checkpoints: cut, merged, averaged, saved as what plain Transformers loads."""

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForAudioClassification

from lid import InputError, LanguageIdentifier
from lid.languages import CODES
from lid.model import checkpoint
from lid.model.checkpoint import Checkpoint
from tests.conftest import no_room


@pytest.fixture(scope="module")
def base(miniature):
    return str(miniature)


def tuned(base, labels=CODES, layers=None):
    """A model with LoRA that changes something: its second half starts at zero."""
    model = checkpoint.add_lora(checkpoint.load_base(base, 2.0, labels, layers), rank=2, dropout=0.0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_B." in name:
                weight.normal_(std=0.1)
    return model


def test_the_upper_layers_can_be_left_out(base):
    whole, cut = (checkpoint.load_base(base, window=2.0, layers=layers) for layers in (None, 1))
    assert cut.config.encoder_layers == len(cut.encoder.layers) == 1 < len(whole.encoder.layers)
    assert torch.equal(cut.encoder.layers[0].fc1.weight, whole.encoder.layers[0].fc1.weight)
    with pytest.raises(InputError, match="encoder layers, not 9"):
        checkpoint.load_base(base, window=2.0, layers=9)


def test_a_run_can_start_from_another_ones_weights(base, tmp_path):
    Checkpoint.merged(tuned(base)).save(tmp_path)
    before, after = (checkpoint.load_base(str(tmp_path), 2.0, labels) for labels in (CODES, (*"abcd",)))
    assert after.classifier.out_features == 4
    for name in ("encoder.layers.0.fc1.weight", "projector.weight"):
        assert torch.equal(before.state_dict()[name], after.state_dict()[name])


def test_a_run_goes_on_with_the_rows_that_another_one_learned(base, tmp_path):
    model = tuned(base, (*CODES, "kk", "tr"))
    checkpoint.add_sounds(model, ("uz", "tr"))
    before = Checkpoint.merged(model)
    before.save(tmp_path)
    after = checkpoint.load_base(str(tmp_path), 2.0, (*CODES, "az", "kk"))
    drawn = after.classifier.weight[3].clone()
    checkpoint.take_rows(after, before)
    assert torch.equal(after.classifier.weight[:3], before.model.classifier.weight.float())
    assert torch.equal(after.classifier.weight[3], drawn)  # of a language that the other run had not
    torch.testing.assert_close(after.classifier.weight[4], torch.from_numpy(before.detector.weight[0]))
    further = checkpoint.add_lora(after, 4, 0.0)
    for languages, kept in ((("uz", "tr"), True), (("tr", "uz"), False)):
        checkpoint.add_sounds(further, languages, before.detector)
        second = checkpoint.inside(further).get_submodule(checkpoint.SOUNDS)
        assert np.array_equal(second.weight.detach().numpy(), before.detector.sounds_weight) == kept


def test_rows_of_other_languages_go_into_the_detector(base):
    model = tuned(base, (*CODES, "kk", "tr"))
    whole = copy.deepcopy(model).merge_and_unload().classifier
    merged = Checkpoint.merged(model)
    assert merged.model.config.id2label == {0: "uz", 1: "ru", 2: "en"}
    assert merged.detector.languages == ("kk", "tr")
    torch.testing.assert_close(torch.from_numpy(merged.detector.weight), whole.weight.detach()[3:])
    assert torch.equal(merged.model.classifier.weight, whole.weight.detach()[:3].half())


def test_what_is_in_memory_answers_as_what_was_saved(base, tmp_path):
    merged = Checkpoint.merged(tuned(base, (*CODES, "kk")))
    in_memory = LanguageIdentifier.of(merged.model, merged.detector)
    merged.save(tmp_path)
    saved, again = LanguageIdentifier.load(tmp_path), Checkpoint.load(tmp_path)
    waveforms = np.random.default_rng(0).normal(0, 0.1, (1, 32_000)).astype(np.float32)
    for one, other in zip(saved.model.hear(waveforms), in_memory.model.hear(waveforms), strict=True):
        np.testing.assert_array_equal(one, other)
    assert saved.detector.languages == again.detector.languages == ("kk",)
    for name, weight in again.model.state_dict().items():
        assert torch.equal(weight, merged.model.state_dict()[name]), name


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_base_averaged_in_is_a_weighted_mean_of_the_encoders(base, share):
    model = tuned(base).merge_and_unload()
    before, original = copy.deepcopy(model), checkpoint.load_base(base, window=2.0)
    checkpoint.average_with_base(model, base, share)
    for name, averaged in model.encoder.named_parameters():
        expected = (1 - share) * before.encoder.get_parameter(name) + share * original.encoder.get_parameter(name)
        torch.testing.assert_close(averaged, expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(model.projector.weight, before.projector.weight)


def test_runs_are_averaged_in_their_encoders_and_keep_the_first_ones_head(base):
    runs = []
    for seed in range(3):
        torch.manual_seed(seed)
        runs.append(Checkpoint.merged(tuned(base, (*CODES, "kk"))))
    weights = [{name: weight.float() for name, weight in run.model.state_dict().items()} for run in runs]
    rows = runs[0].detector.weight.copy()
    mean = checkpoint.average(runs)
    for name, averaged in mean.model.state_dict().items():
        of_runs = weights if name.startswith("encoder.") else weights[:1]  # heads began from each seed's own numbers
        expected = torch.stack([of_run[name] for of_run in of_runs]).mean(dim=0)
        torch.testing.assert_close(averaged.float(), expected, rtol=2e-3, atol=1e-4)
    assert (mean.detector.weight == rows).all()
    assert mean.detector.speech_weight is None


def test_runs_of_another_shape_or_background_are_not_averaged(base):
    first = Checkpoint.merged(tuned(base, (*CODES, "kk")))
    with pytest.raises(InputError, match="differ in shape"):
        checkpoint.average([first, Checkpoint.merged(tuned(base, (*CODES, "kk"), layers=1))])
    with pytest.raises(InputError, match="different background"):
        checkpoint.average([first, Checkpoint.merged(tuned(base, (*CODES, "tr")))])


def test_a_run_averaged_with_what_it_began_from(base):
    start, run = (Checkpoint.merged(tuned(base, (*CODES, *others))) for others in (("tr", "kk"), ("az", "kk")))
    before = copy.deepcopy(run)
    checkpoint.average_with_start(run, start, 0.25)
    for name, averaged in run.model.state_dict().items():
        expected = 0.75 * before.model.state_dict()[name].float() + 0.25 * start.model.state_dict()[name].float()
        torch.testing.assert_close(averaged.float(), expected, rtol=2e-3, atol=1e-4)
    az, kk = run.detector.weight
    assert (az == before.detector.weight[0]).all()  # the other one has no such row
    np.testing.assert_allclose(kk, 0.75 * before.detector.weight[1] + 0.25 * start.detector.weight[1], rtol=1e-5)
    assert not run.detector.can_reject
    with pytest.raises(InputError, match="differ in shape"):
        checkpoint.average_with_start(run, Checkpoint.merged(tuned(base, layers=1)), 0.5)


def test_another_base_is_refused(base):
    model = checkpoint.load_base(base, window=2.0)
    model.encoder.layers[0].fc1 = torch.nn.Linear(3, 3)
    with pytest.raises(InputError, match="not made from"):
        checkpoint.average_with_base(model, base, 0.5)


def test_a_disk_that_is_full_at_the_end_is_a_sentence_and_there_is_another_go(base, tmp_path):
    merged = Checkpoint.merged(tuned(base))
    with no_room(), pytest.raises(InputError, match="Make room"):
        merged.save(tmp_path / "merged")
    with pytest.raises(InputError):
        LanguageIdentifier.load(tmp_path / "merged")
    merged.save(tmp_path / "merged")
    assert LanguageIdentifier.load(tmp_path / "merged")


def test_a_temperature_divides_the_logits(base):
    merged = Checkpoint.merged(tuned(base, (*CODES, "kk")))
    mel, row = torch.randn(2, 80, 200).half(), merged.detector.weight
    with torch.inference_mode():
        before = merged.model(input_features=mel).logits
        merged.divide_logits(0.5)
        after = merged.model(input_features=mel).logits
    torch.testing.assert_close(after, before * 2, atol=1e-2, rtol=1e-2)
    assert merged.detector.weight == pytest.approx(row * 2)


def test_it_is_an_ordinary_folder_of_transformers(base, tmp_path):
    merged = Checkpoint.merged(tuned(base, (*CODES, "kk")))
    merged.save(tmp_path)
    model = AutoModelForAudioClassification.from_pretrained(tmp_path)
    for name, weight in load_file(tmp_path / "model.safetensors").items():
        assert torch.equal(weight, model.state_dict()[name])
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [
        "background.safetensors",
        "config.json",
        "manifest.json",
        "model.safetensors",
        "onnx",
        "preprocessor_config.json",
    ]


@pytest.mark.parametrize("damage", ["nothing there", "another file"])
def test_a_folder_that_is_no_checkpoint_of_ours_is_refused(base, tmp_path, damage):
    if damage == "another file":
        Checkpoint.merged(tuned(base)).save(tmp_path)
        (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"background.safetensors is missing|config.json differs"):
        Checkpoint.load(tmp_path)


def test_a_window_longer_than_the_model_is_refused(base):
    with pytest.raises(InputError, match="at most 10 s"):
        checkpoint.load_base(base, window=30.0)


def test_a_base_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="No Whisper model"):
        checkpoint.load_base(str(tmp_path / "nothing"), window=2.0)
