// Runs where the browser makes sound: hands the microphone's samples on, a tenth of a second at a time.
const PIECE = 4096;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.held = new Float32Array(PIECE);
    this.count = 0;
  }

  process([input]) {
    const [samples] = input;
    if (!samples) return true;
    if (this.count + samples.length > PIECE) this.hand();
    this.held.set(samples, this.count);
    this.count += samples.length;
    return true;
  }

  hand() {
    this.port.postMessage(this.held.slice(0, this.count));
    this.count = 0;
  }
}

registerProcessor("recorder", Recorder);
