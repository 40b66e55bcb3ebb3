"""The player has a name, and a file's name cannot leave its attribute."""

from lid.ui import player
from lid.ui.texts import ENGLISH, RUSSIAN


def test_a_player_has_a_name_and_says_what_to_do_when_its_file_is_gone():
    html = player.of_upload("/tmp/clip.wav", RUSSIAN)
    assert "aria-label='Прослушать: clip.wav'" in html
    assert f"data-gone='{RUSSIAN.gone}'" in html


def test_a_name_is_quoted():
    html = player.of_upload("/tmp/a'onerror='x.wav", ENGLISH)
    assert "'" not in html.split("src='")[1].split("' aria-label")[0]
    assert "'onerror" not in html
