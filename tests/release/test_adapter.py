"""The card's own code gives the adapter the merged model's answers."""

import re

import pytest
import torch
from transformers import AutoModelForAudioClassification

from lid.languages import CODES
from lid.model import checkpoint
from lid.release import adapter

TEMPERATURE = 1.7


@pytest.fixture(scope="module")
def run(miniature, tmp_path_factory):
    """A run on a base with one layer too many and a longer window: background rows in the head, a temperature."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(1)
    model = checkpoint.load_base(str(miniature), 2.0, ("kk", *CODES, "tr"), layers=1)
    model = checkpoint.add_lora(model, 4, 0.0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(folder / "adapter")
    merged = checkpoint.Checkpoint.merged(model)
    merged.divide_logits(TEMPERATURE)
    merged.save(folder / "merged")
    return folder


def test_the_cards_code_gives_the_merged_models_answers(run, miniature, tmp_path):
    published = tmp_path / "model"
    (published / "adapter").mkdir(parents=True)
    (published / "config.json").write_bytes((run / "merged" / "config.json").read_bytes())
    for name, data in adapter.files(run, "openai/whisper-base").items():
        (published / "adapter" / name).write_bytes(data)
    code = re.search(r"```python\n(.+?)```", adapter.section(str(miniature)), re.DOTALL)[1]
    scope: dict = {}
    exec(code.replace(adapter.REPO, str(published)), scope)
    merged = AutoModelForAudioClassification.from_pretrained(run / "merged", dtype=torch.float32).eval()
    mel = torch.randn(3, 80, 200)
    with torch.inference_mode():
        expected, found = merged(mel).logits, scope["model"](mel).logits
    assert scope["model"].config.id2label == dict(enumerate(CODES))
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)  # merged weights are float16


def test_an_adapter_without_its_head_is_no_run_of_ours(run, tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    save_file({"a": torch.zeros(1)}, tmp_path / "adapter" / "adapter_model.safetensors")
    (tmp_path / "merged").symlink_to(run / "merged")
    with pytest.raises(adapter.InputError, match="is missing"):
        adapter.files(tmp_path, "openai/whisper-base")
