"""Colours that carry a meaning, for the cards and the pictures.

The languages have Okabe and Ito's colours (2008): colour-blind people can tell them apart, and each has a contrast of
at least 3:1 on white and on near-black.
"""

LANGUAGES = {"uz": "#0072B2", "ru": "#D55E00", "en": "#009E73"}  # blue, vermilion, bluish green
GREY = "#767676"  # text and zero lines in pictures
GRID = "rgba(128,128,128,0.22)"
HEAT = "Cividis"  # plotly's name of a colour scale with even steps in lightness, the same to colour-blind eyes
