/** The sound of each severity: beeps of the Web Audio API. The worse, the higher, the quicker and the more (IEC 60601-1-8's idea). */

import type { Severity } from "../alarm";

export interface Tone {
  /** Hertz. */
  readonly pitch: number;
  readonly beeps: number;
  /** Seconds of one beep, and between the beginnings of two. */
  readonly length: number;
  readonly every: number;
  /** 0 to 1. */
  readonly loudness: number;
}

export const TONES: Readonly<Record<Severity, Tone>> = {
  critical: { pitch: 988, beeps: 5, length: 0.12, every: 0.2, loudness: 0.3 },
  major: { pitch: 784, beeps: 3, length: 0.16, every: 0.28, loudness: 0.25 },
  minor: { pitch: 587, beeps: 2, length: 0.2, every: 0.36, loudness: 0.2 },
  warning: { pitch: 440, beeps: 1, length: 0.25, every: 0.4, loudness: 0.15 },
};

/** The time in which a beep swells and fades, in seconds: without it it clicks. */
const EDGE = 0.015;

/** Plays a tone from now on. */
export function play(audio: AudioContext, tone: Tone): void {
  for (let beep = 0; beep < tone.beeps; beep += 1) {
    const start = audio.currentTime + beep * tone.every;
    const gain = audio.createGain();
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(tone.loudness, start + EDGE);
    gain.gain.setValueAtTime(tone.loudness, start + tone.length - EDGE);
    gain.gain.linearRampToValueAtTime(0, start + tone.length);
    gain.connect(audio.destination);
    const source = audio.createOscillator();
    source.frequency.value = tone.pitch;
    source.connect(gain);
    source.start(start);
    source.stop(start + tone.length);
  }
}
