"""Which files are read, in FFmpeg's names and in words."""

# Containers of sound, and of video with sound. Each was fuzzed (docs/ROBUSTNESS.md). Not here, and so never tried, are
# playlists, concatenation scripts and whatever else makes FFmpeg open another file or a server.
CONTAINERS = "aac,aiff,amr,asf,au,avi,caf,flac,flv,gsm,matroska,mov,mp3,mpegts,nistsphere,ogg,w64,wav,webm"
FORMATS_IN_WORDS = "WAV, FLAC, MP3, OGG/Opus, M4A/AAC, WMA, AMR, GSM, SPHERE, WebM, MP4, AVI, FLV or MPEG-TS"

# How formats begin that are known but not read, so that the sentence can name them.
_OTHERS = {
    b"\x02dss": "DSS, a dictaphone's format",
    b"\x03ds2": "DS2, a dictaphone's format",
    b".RMF": "RealMedia",
    b"#!SILK": "SILK",
    b"\x02#!SILK": "SILK",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"Creative Voice File": "VOC",
    b"\0\0\x01\xba": "MPEG-PS",
    b"MThd": "MIDI, which holds notes and no sound",
}


def refusal(head: bytes) -> str:
    """A sentence for a file that cannot be read, by its first bytes."""
    known = next((name for start, name in _OTHERS.items() if head.startswith(start)), None)
    if known:
        return f"This file is {known}. It cannot be read here: convert it to {FORMATS_IN_WORDS}."
    return f"This file is not audio we can read. Send {FORMATS_IN_WORDS}."
