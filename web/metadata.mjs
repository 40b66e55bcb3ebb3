// What a graph says of itself: the metadata_props of an ONNX file, which ONNX Runtime Web does not tell.
//
// An ONNX file is one protobuf message, ModelProto (onnx/onnx.proto). Its field 14 are pairs of strings, a key (field
// 1) and a value (field 2); here the values are JSON. All other fields are skipped by their lengths.

const METADATA = 14;
const VARINT = 0,
  FIXED64 = 1,
  BYTES = 2,
  FIXED32 = 5; // protobuf's wire types

// Uint8Array -> an object. Throws when it is no ONNX file.
export function metadata(bytes) {
  const about = {};
  for (const [field, part] of fields(bytes)) {
    if (field !== METADATA) continue;
    const pair = Object.fromEntries(fields(part));
    const text = new TextDecoder();
    about[text.decode(pair[1])] = JSON.parse(text.decode(pair[2]));
  }
  return about;
}

function* fields(bytes) {
  let place = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (place >= bytes.length) throw new Error("cut off");
      const byte = bytes[place++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (place < bytes.length) {
    const tag = varint(),
      kind = tag % 8;
    if (kind === BYTES) {
      const end = varint() + place;
      if (end > bytes.length) throw new Error("cut off");
      yield [Math.floor(tag / 8), bytes.subarray(place, end)];
      place = end;
    } else if (kind === VARINT) varint();
    else if (kind === FIXED64) place += 8;
    else if (kind === FIXED32) place += 4;
    else throw new Error("no protobuf");
  }
}
