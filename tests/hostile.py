"""The worst files that fuzzing and thinking found, each made of a few lines. Name -> bytes by `files`; what becomes of
them is in test_hostile.py, and benchmarks/fuzz.py damages them further."""

import functools
import io
import struct
import zlib

import numpy as np
import soundfile

from tests import recordings

PLAYLISTS = {
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{place}\n#EXT-X-ENDLIST\n",
    "concatenation": "ffconcat version 1.0\nfile '{place}'\n",
    "session description": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={place}\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "DASH manifest": "<?xml version='1.0'?><MPD><Period><BaseURL>{place}</BaseURL></Period></MPD>",
    "address": "{place}",
}


def files() -> dict[str, bytes]:
    """Small files, and what each is."""
    wav = written(np.zeros(16_000, np.int16), 16_000)
    return {
        **{f"{kind} of a file": text.format(place="file:///etc/hostname").encode() for kind, text in PLAYLISTS.items()},
        **{
            f"{kind} of a server": text.format(place="http://127.0.0.1:9/a").encode()
            for kind, text in PLAYLISTS.items()
        },
        "8 planar channels": opus(8, 20),
        "255 channels": opus(255, 10),
        "M4A index of 2 GB": m4a(0x5000000),
        "M4A whose sound lies in other files": m4a(100, outside=True),
        "packets without sound": b"\xff\xf1\x50\x80\x00\xff\xfc" * 20_000,
        "packets that cannot be decoded": b"#!AMR\n" + b"\x7c" * 10_000,
        "NaN and infinity": written(np.array([np.nan, np.inf, -np.inf, 1e38] * 4000, np.float32), 16_000, "FLOAT"),
        "far too loud": written(np.tile(np.array([3e38, -3e38], np.float32), 10_000), 20_000, "FLOAT"),
        "255 channels of PCM": written(np.zeros((5000, 255), np.int16), 16_000),
        "4 GHz": patched(wav, 24, 0xFFFFFFFF),
        "0 Hz": patched(wav, 24, 0),
        "block of no bytes": patched(wav, 32, 0),
        "chunk of 4 GB": patched(wav, 40, 0xFFFFFFFF),
        "header of 4 GB": patched(wav, 16, 0xFFFFFFFF),
        "tag of 100 kB and no sound": id3({b"TXXX": b"x" * 100_000}),
        "cover of 256 MB": b"ID3\x03\0\0\x7f\x7f\x7f\x7fAPIC\x0f\xff\xff\xf0\0\0" + b"\xff\xd8" * 500,
        "24 hours of silence": opus(1, 24 * 3600 * 50 // 6),
        "16 tracks of hiss": recordings.encoded([recordings.hiss(16_000)] * 16, "matroska", "libopus", 48_000),
    }


def costly(share: float = 1.0) -> dict[str, bytes]:
    """Small files that cost minutes or gigabytes where nothing bounds them; with a `share` of 1 as large as they were
    found, with less the like of them in a moment."""
    many = lambda count: max(2, int(count * share))  # noqa: E731
    silent = written(np.zeros(16_000, np.int16), 16_000, container="FLAC")
    return {
        "Matroska of 8,000 tags": matroska(tags=many(8_000)),
        "FLAC of 400,000 comments": flac_comments(silent, many(400_000)),
        "MP3 of 259,000 frames of text": id3_texts(many(259_000)) + bytes(1000),
        "M4A of 16 tracks with 5.5 million samples": m4a(many(5_500_000), tracks=16),
        "FLAC whose rate alternates": flac_rates(many(300_000)),
        "Matroska that inflates": matroska(inflated=many(4_000)),
        "AMR of 4 million packets that cannot be decoded": b"#!AMR\n" + b"\x7c" * many(4_000_000),
    }


def matroska(tags: int = 0, inflated: int = 0) -> bytes:
    """A Matroska file of a second of PCM, with so many tags, and so many packets of a subtitle that hold a megabyte of
    zeros each, packed by zlib. https://www.matroska.org/technical/elements.html"""

    def track(number: int, kind: int, codec: bytes, more: bytes) -> bytes:
        names = _ebml(0xD7, bytes([number])) + _ebml(0x73C5, bytes([number])) + _ebml(0x83, bytes([kind]))
        return _ebml(0xAE, names + _ebml(0x86, codec) + more)

    def block(number: int, body: bytes) -> bytes:
        return _ebml(0xA3, bytes([0x80 | number, 0, 0, 0x80]) + body)

    sound = _ebml(0xE1, _ebml(0xB5, struct.pack(">d", 16_000.0)) + _ebml(0x9F, b"\1") + _ebml(0x6264, b"\x10"))
    tracks, blocks = [track(1, 2, b"A_PCM/INT/LIT", sound)], [block(1, bytes(32_000))]
    if inflated:
        packed = _ebml(0x6D80, _ebml(0x6240, _ebml(0x5034, _ebml(0x4254, b"\0"))))
        tracks.append(track(2, 17, b"S_TEXT/UTF8", packed))
        blocks[:0] = [block(2, zlib.compress(bytes(2**20), 9))] * inflated
    told = b"".join(
        _ebml(0x7373, _ebml(0x63C0, b"") + _ebml(0x67C8, _ebml(0x45A3, b"T%d" % n) + _ebml(0x4487, b"x")))
        for n in range(tags)
    )
    body = _ebml(0x1549A966, _ebml(0x2AD7B1, struct.pack(">I", 1_000_000))) + _ebml(0x1654AE6B, b"".join(tracks))
    body += (_ebml(0x1254C367, told) if tags else b"") + _ebml(0x1F43B675, _ebml(0xE7, b"\0") + b"".join(blocks))
    return _ebml(0x1A45DFA3, _ebml(0x4282, b"matroska")) + _ebml(0x18538067, body)


def _ebml(name: int, body: bytes) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + struct.pack(">Q", len(body) | 1 << 56) + body


def flac_comments(flac: bytes, count: int) -> bytes:
    """A FLAC file with so many Vorbis comments behind its first block."""
    comments = b"".join(struct.pack("<I", 9) + b"K%06x=x" % n for n in range(count))
    block = struct.pack("<II", 0, count) + comments
    first = flac[4:42]  # STREAMINFO
    return (
        b"fLaC" + bytes([first[0] & 0x7F]) + first[1:] + b"\x84" + len(block).to_bytes(3, "big") + block + _frames(flac)
    )


def _frames(flac: bytes) -> bytes:
    """What comes after a FLAC file's blocks of metadata."""
    place, last = 4, False
    while not last:
        last = bool(flac[place] & 0x80)
        place += 4 + int.from_bytes(flac[place + 1 : place + 4], "big")
    return flac[place:]


def id3_texts(count: int) -> bytes:
    """An ID3v2.3 tag of so many frames of text, each of another name."""
    texts = (b"\0%x\0x" % n for n in range(count))
    body = b"".join(b"TXXX" + struct.pack(">I", len(text)) + b"\0\0" + text for text in texts)
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + body


def flac_rates(frames: int) -> bytes:
    """A FLAC file whose frames, 16 samples each, have 8 and 16 kHz in turn. RFC 9639, section 9."""
    info = (
        struct.pack(">HH", 16, 16) + bytes(6) + (16_000 << 44 | 15 << 36 | frames * 16).to_bytes(8, "big") + bytes(16)
    )
    made = []
    for number in range(frames):
        head = b"\xff\xf8" + bytes([0x60 | 4 + number % 2, 0x08]) + _utf8(number) + b"\x0f"
        head += bytes([_crc(head, 0x07, 8)])
        frame = head + b"\0" + struct.pack(">h", 1000 * (number % 2))  # a subframe of one value
        made.append(frame + struct.pack(">H", _crc(frame, 0x8005, 16)))
    return b"fLaC\x80" + len(info).to_bytes(3, "big") + info + b"".join(made)


def _utf8(number: int) -> bytes:
    """A frame's number as FLAC writes it: UTF-8 for any number."""
    if number < 0x80:
        return bytes([number])
    rest: list[int] = []
    while number >= 1 << (6 - len(rest)):
        rest.insert(0, 0x80 | number & 0x3F)
        number >>= 6
    return bytes([(0xFF << (7 - len(rest)) & 0xFF) | number, *rest])


@functools.cache
def _crc_table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> (bits - 1) & 1 else 0)) & ((1 << bits) - 1)
        table.append(value)
    return table


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    table, value = _crc_table(polynomial, bits), 0
    for byte in data:
        value = (value << 8 & ((1 << bits) - 1)) ^ table[value >> (bits - 8) ^ byte]
    return value


def written(samples: np.ndarray, rate: int, subtype: str = "PCM_16", container: str = "WAV") -> bytes:
    """Samples (samples,) or (samples, channels) as a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def patched(data: bytes, place: int, value: int) -> bytes:
    """`data` with four bytes, little-endian, in place of its own."""
    return data[:place] + struct.pack("<I", value) + data[place + 4 :]


def id3(frames: dict[bytes, bytes]) -> bytes:
    """An ID3v2.3 tag, for the start of an MP3."""
    body = b"".join(name + struct.pack(">I", len(value)) + b"\0\0" + value for name, value in frames.items())
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + body


def opus(channels: int, packets: int) -> bytes:
    """Ogg Opus of unrelated silent channels (mapping family 255), 120 ms a packet in two or three bytes a channel."""
    head = b"OpusHead" + struct.pack("<BBHIh", 1, channels, 0, 48_000, 0) + bytes([255, channels, 0, *range(channels)])
    packet = b"\xff\x06\0" * (channels - 1) + b"\xff\x06"  # six empty frames; all but the last say their length
    pages = [_ogg_page([head], 0, 0, 2), _ogg_page([b"OpusTags" + bytes(8)], 1, 0, 0)]
    at_once = max(1, 255 // (len(packet) // 255 + 1))
    for first in range(0, packets, at_once):
        last = min(packets, first + at_once)
        pages.append(_ogg_page([packet] * (last - first), len(pages), last * 5760, 0))
    return b"".join(pages)


def m4a(samples: int, outside: bool = False, tracks: int = 1) -> bytes:
    """An M4A of PCM whose index claims `samples` samples in each track, two bytes and 10 ms each; `outside` says that
    they lie in /etc/hostname."""
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    movie = struct.pack(">5IIH10x", 0, 0, 0, 1000, 1000, 0x10000, 0x100) + matrix + bytes(24) + struct.pack(">I", 2)
    track = struct.pack(">6I8x4H", 7, 0, 0, 1, 0, 1000, 0, 0, 0x100, 0) + matrix + bytes(8)
    media = struct.pack(">5I2H", 0, 0, 0, 16_000, samples, 0x55C4, 0)
    sound = struct.pack(">6xH8x4HI", 1, 1, 16, 0, 0, 16_000 << 16)
    table = _box(b"stsd", struct.pack(">2I", 0, 1) + _box(b"sowt", sound))
    table += _box(b"stts", struct.pack(">4I", 0, 1, samples, 160)) + _box(
        b"stsc", struct.pack(">5I", 0, 1, 1, samples, 1)
    )
    table += _box(b"stsz", struct.pack(">3I", 0, 2, samples)) + _box(b"stco", struct.pack(">3I", 0, 1, 800))
    place = struct.pack(">2I", 0, 1) + _box(b"url ", bytes(4) + b"file:///etc/hostname\0")
    data = _box(b"dinf", _box(b"dref", place)) if outside else b""
    info = _box(b"minf", _box(b"smhd", bytes(8)) + data + _box(b"stbl", table))
    handler = _box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    whole = _box(b"trak", _box(b"tkhd", track) + _box(b"mdia", _box(b"mdhd", media) + handler + info)) * tracks
    return (
        _box(b"ftyp", b"isom\0\0\2\0isom") + _box(b"moov", _box(b"mvhd", movie) + whole) + _box(b"mdat", bytes(32_000))
    )


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def _ogg_page(packets: list[bytes], number: int, position: int, flags: int) -> bytes:
    lengths = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = b"OggS\0" + struct.pack("<BqIII", flags, position, 1, number, 0) + bytes([len(lengths)]) + lengths
    page = head + b"".join(packets)
    return page[:22] + struct.pack("<I", _ogg_sum(page)) + page[26:]


def _ogg_sum(page: bytes) -> int:
    """CRC-32 as Ogg takes it: zlib's, with bits the other way round and no inversion."""
    mirrored = page.translate(bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256)))
    plain = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{plain:032b}"[::-1], 2)
