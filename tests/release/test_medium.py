"""What a card costs is told as it was found: measured on one, or worked out."""

from lid.release import medium

RECIPE = {"clips_a_step": 24, "steps": 8000}
MEASURED = RECIPE | {
    "loader_clips_a_second": {"1": 41.0, "15": 612.5},
    "device": "NVIDIA H100",
    "formats": [
        {"format": "bfloat16", "gradient_checkpointing": False, "clips_a_second": 1020.4, "share_of_peak": 0.46},
        {"format": "float16", "gradient_checkpointing": True, "clips_a_second": 810.0, "share_of_peak": 0.37},
    ],
    "with_loader": {"workers": 15, "share_waited": 0.12},
    "hours": 0.55,
}
WORKED_OUT = RECIPE | {
    "loader_clips_a_core_second": 41.0,
    "teraflop_a_step": 8.7,
    "utilisation": 0.3,
    "memory": {"gb_a_clip": 0.75},
    "cards": {"T4": {"clips_at_once": 16, "clips_a_second": 53.8, "hours": 0.99}},
}


def test_a_card_that_was_measured():
    sentence, head, rows = medium.on_a_card(MEASURED)
    assert sentence.startswith("Measured on NVIDIA H100: 8,000 steps of 24 clips take 0.6 hours, with")
    assert "41 with 1, 612 with 15" in sentence
    assert len(head) == len(rows[0])
    assert rows == [["bfloat16", "no", "1,020", "46%"], ["float16", "yes", "810", "37%"]]
    assert "0.6 hours, 1.40 dollars" in medium.on_a_card(MEASURED | {"dollars": 1.4})[0]


def test_cards_that_were_not_at_hand():
    sentence, head, rows = medium.on_a_card(WORKED_OUT)
    assert sentence.startswith("No card was at hand")
    assert "8.7 TFLOP" in sentence
    assert "41 clips a second" in sentence
    assert len(head) == len(rows[0])
    assert rows == [["T4", 16, "54", "1.0"]]
