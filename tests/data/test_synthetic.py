"""Speech by eSpeak NG: a corpus like any other, of languages with one voice between them."""

import shutil

import pytest

from lid import audio
from lid.data import synthetic
from lid.data.sources import spec
from lid.errors import InputError


def test_without_espeak_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert synthetic.main([str(tmp_path / "out")]) == 1
    assert "eSpeak NG is not installed" in capsys.readouterr().err
    with pytest.raises(InputError):
        synthetic.write(tmp_path, 1)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs eSpeak NG: apt install espeak-ng")
def test_it_is_a_corpus(monkeypatch, tmp_path):
    few = tmp_path / "sentences.tsv"
    few.write_text("uz\tSalom, qandaysiz?\nru\tЗдравствуйте, как дела?\nkk\tСәлеметсіз бе?\n")
    monkeypatch.setattr(synthetic, "SENTENCES", few)
    assert synthetic.write(tmp_path / "speech", takes=2) == 6
    assert spec.languages([str(tmp_path / "speech")]) == ["kk", "ru", "uz"]
    clips = spec.load_clips([str(tmp_path / "speech")], ["uz", "ru"], tmp_path / "cache", progress=False)
    assert len({clip.speaker for clip in clips}) == 4
    assert all(len(audio.decode(clip.audio)) > 8000 for clip in clips)
