"""The mel scale is Slaney's."""

import numpy as np
from transformers.audio_utils import hertz_to_mel

from lid.features import hertz_of_mel, mel_of_hertz


def test_the_mel_scale_goes_both_ways_and_is_slaneys():
    hertz = np.array([0.0, 200.0, 999.9, 1000.0, 1234.5, 8000.0])
    np.testing.assert_allclose(hertz_of_mel(mel_of_hertz(hertz)), hertz, atol=1e-9)
    np.testing.assert_allclose(mel_of_hertz(hertz), hertz_to_mel(hertz, "slaney"))
