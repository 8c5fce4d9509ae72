/** The sound of new alarms: on or off in this browser, and mute for a bounded time. Epoch milliseconds. */

import { untrack } from "svelte";
import { announcer } from "../../app/announcer.svelte";
import { clock } from "../../live/clock.svelte";
import type { Severity } from "../alarm";
import { alarms } from "../alarms.svelte";
import { signalSentences } from "./sentences";
import { play, TONES } from "./tones";

const STORED = "livetwin-alarm-sound";
/** Lengths of muting in minutes; nobody silences a control room for longer without deciding it again. */
export const MUTE_MINUTES = [5, 15, 30] as const;
/** The shortest time between two sounds: in a flood one is enough. */
const SOUND_EVERY_MS = 2000;

class Sound {
  isOn = $state(stored());
  mutedUntil = $state.raw<number>();
  /** The browser plays no sound before the reader has pressed something in the page. */
  waitsForPress = $state(true);
  /** The severity of the last alarm that sounded. */
  last = $state.raw<Severity>();

  #audio: AudioContext | undefined;
  #sounded = 0;

  get exists(): boolean {
    return typeof AudioContext === "function";
  }

  turn(on: boolean): void {
    this.isOn = on;
    this.mutedUntil = undefined;
    if (on) this.#wake();
    try {
      localStorage.setItem(STORED, on ? "on" : "off");
    } catch {
      // Without storage it holds for this visit.
    }
  }

  /** Mutes for some minutes, at most the longest of `MUTE_MINUTES`; undefined ends it. */
  mute(minutes: number | undefined): void {
    this.mutedUntil = minutes === undefined ? undefined : Date.now() + Math.min(minutes, Math.max(...MUTE_MINUTES)) * 60_000;
  }

  /** Watches, in an effect of a component. */
  watch(): void {
    $effect(() => {
      // An AudioContext that is made earlier is refused with a warning.
      const wake = () => this.#wake();
      addEventListener("pointerdown", wake);
      addEventListener("keydown", wake);
      return () => {
        removeEventListener("pointerdown", wake);
        removeEventListener("keydown", wake);
        void this.#audio?.close();
        this.#audio = undefined;
        this.waitsForPress = true;
      };
    });
    $effect(() => alarms.onNews(([worst, ...others]) => {
      const all = [worst, ...others];
      for (const severity of Object.keys(TONES) as Severity[]) if (all.some((one) => one.severity === severity)) return this.#sound(severity);
    }));
    $effect(() => {
      const until = this.mutedUntil;
      if (until === undefined || clock.now < until) return;
      untrack(() => {
        this.mutedUntil = undefined;
        announcer.say(signalSentences().muteOver);
      });
    });
  }

  #sound(severity: Severity): void {
    const now = Date.now();
    if (!this.isOn || this.#audio === undefined || (this.mutedUntil ?? 0) > now || now - this.#sounded < SOUND_EVERY_MS) return;
    this.#sounded = now;
    this.last = severity;
    play(this.#audio, TONES[severity]);
  }

  /** In the press of a key or the pointer: only then browsers allow sound. */
  #wake(): void {
    if (!this.isOn || !this.exists || navigator.userActivation?.hasBeenActive === false) return;
    this.#audio ??= new AudioContext();
    if (this.#audio.state === "suspended") void this.#audio.resume().catch(() => undefined);
    this.waitsForPress = false;
  }
}

function stored(): boolean {
  try {
    return localStorage.getItem(STORED) === "on";
  } catch {
    return false;
  }
}

export const sound = new Sound();
