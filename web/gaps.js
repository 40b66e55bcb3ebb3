// What an MP3 encoder put before and after the sound: LAME's extension of the Xing header says how many samples.
// http://gabriel.mp3-tech.org/mp3infotag.html
const TAG_HEAD = 10; // bytes of an ID3v2 tag before what it holds
const NEAR = 200; // bytes into the first frame in which the header stands
const VERSION = 120,
  GAPS = 141; // bytes from the header's start to the encoder's name, and to the two numbers
const DECODER = 529; // samples by which any decoder of MP3 is late

// A file -> [samples to leave out at the start, at the end].
export async function gaps(file) {
  const begin = new Uint8Array(await file.slice(0, TAG_HEAD).arrayBuffer());
  const tag =
    text(begin, 0, 3) === "ID3" ? TAG_HEAD + begin.slice(6, 10).reduce((size, byte) => size * 128 + byte, 0) : 0;
  const head = new Uint8Array(await file.slice(tag, tag + NEAR + GAPS).arrayBuffer());
  for (let at = 0; at < NEAR; at++) {
    if (!["Xing", "Info"].includes(text(head, at, 4)) || !/^(LAME|Lav[cf])/.test(text(head, at + VERSION, 4))) continue;
    const [high, middle, low] = head.subarray(at + GAPS);
    return [(high << 4) + (middle >> 4) + DECODER, Math.max(0, ((middle & 15) << 8) + low - DECODER)];
  }
  return [0, 0];
}

const text = (bytes, from, length) => String.fromCharCode(...bytes.subarray(from, from + length));
