/** Runs on the audio thread: samples become 16-bit PCM in pieces of 40 ms, each with how loud it was. */
const pieceMs = 40;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round((sampleRate * pieceMs) / 1000));
    this.filled = 0;
    this.peak = 0;
    this.isOpen = true;
    this.port.onmessage = () => {
      this.send();
      this.port.postMessage(null);
      this.isOpen = false;
    };
  }

  process([[samples] = []]) {
    for (const sample of samples ?? []) {
      const value = Math.max(-1, Math.min(1, sample));
      this.peak = Math.max(this.peak, Math.abs(value));
      this.piece[this.filled] = Math.round(value * 32767);
      this.filled += 1;
      if (this.filled === this.piece.length) this.send();
    }
    return this.isOpen;
  }

  send() {
    const pcm = this.piece.slice(0, this.filled);
    this.port.postMessage({ pcm, peak: this.peak, sampleRate }, [pcm.buffer]);
    this.filled = 0;
    this.peak = 0;
  }
}

registerProcessor("microphone", Microphone);
