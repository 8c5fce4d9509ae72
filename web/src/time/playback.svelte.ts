/** Plays the past: reads the span in which the moment lies, and shows on the whole page what was known then. */

import { untrack } from "svelte";
import { alarms } from "../alarms/alarms.svelte";
import { address } from "../app/address.svelte";
import { sentenceOf } from "../http/problem";
import { language } from "../language/language.svelte";
import { live } from "../live/live.svelte";
import { moment } from "./moment.svelte";
import { DAY_MS, DAYS_MAX, MINUTE_MS, spanOf, type Span } from "./span";
import { Timeline } from "./timeline";
import { readTimeline } from "./timelineApi";

/** Minutes of the past in a second. */
export const SPEEDS = [5, 15, 60] as const;

/** One step by the buttons or an arrow. */
export const STEP_MS = 10 * MINUTE_MS;

/** Time between two scenes while it plays. */
const SCENE_MS = 250;
/** For readers who want no motion: one change every two seconds. */
const CALM_SCENE_MS = 2000;
/** Time between two looks at what has been read. */
const LOADED_EVERY_MS = 500;

class Playback {
  playing = $state(false);
  speed = $state<number>(SPEEDS[1]);
  /** Up to where the span has been read. */
  loadedTo = $state.raw<number>();
  isComplete = $state.raw(false);
  isTruncated = $state.raw(false);
  problem = $state.raw<string>();
  span = $state.raw<Span>();
  /**
   * Up to when charts and cards fetch, in epoch milliseconds; undefined is now. While it plays, it moves every two
   * seconds: the moment itself would ask the server four times a second.
   */
  readonly until = $derived.by(() => {
    const grain = this.playing ? 2 * this.speed * MINUTE_MS : 1;
    return moment.past === undefined ? undefined : Math.floor(moment.past / grain) * grain;
  });

  #timeline: Timeline | undefined;
  /** Grows when more has been read. */
  #loaded = $state.raw(0);

  /** Follows the moment until the returned function is called; the page calls it once. */
  begin(): () => void {
    return $effect.root(() => {
      $effect(() => {
        const time = moment.past;
        if (time === undefined) this.#leave();
        else untrack(() => this.#enter(time));
      });
      $effect(() => {
        const span = this.span;
        if (span === undefined || !live.isComplete) return;
        const request = new AbortController();
        untrack(() => void this.#read(span, request.signal));
        return () => request.abort();
      });
      $effect(() => {
        const time = moment.past;
        void this.#loaded;
        void this.span;
        const { entities } = live;
        if (time === undefined) return;
        // Nothing is shown until it is known: the present must not pass for the past.
        const scene = (this.#timeline ?? new Timeline([], () => undefined)).at(time, entities.values());
        untrack(() => {
          live.showPast(scene.values);
          alarms.showPast(scene.alarms);
        });
      });
      $effect(() => {
        if (!this.playing) return;
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        const every = calm ? CALM_SCENE_MS : SCENE_MS;
        const timer = setInterval(() => this.#advance((every / 1000) * this.speed * MINUTE_MS), every);
        return () => clearInterval(timer);
      });
    });
  }

  /** Goes to a time, within the span and not beyond what has come to pass. */
  seek(time: number): void {
    const span = this.span;
    const to = span === undefined ? time : Math.min(Math.max(time, span.start), Math.min(span.end, Date.now()));
    address.note({ at: new Date(to).toISOString() });
  }

  /** Begins to look back, where the last 24 hours begin. */
  enter(): void {
    const now = Date.now();
    this.span = { start: now - DAY_MS, end: now };
    moment.show(now - DAY_MS);
  }

  leave(): void {
    moment.show(undefined);
  }

  toggle(): void {
    const span = this.span;
    if (span === undefined) return;
    // At the end it plays from the beginning.
    if (!this.playing && (moment.past ?? 0) >= Math.min(span.end, Date.now()) - MINUTE_MS) this.seek(span.start);
    this.playing = !this.playing;
  }

  #enter(time: number): void {
    const known = this.span;
    if (known !== undefined && time >= known.start && time <= known.end) return;
    const now = Date.now();
    this.playing = false;
    this.span = spanOf(time, now, language.timezone);
  }

  #leave(): void {
    untrack(() => {
      this.playing = false;
      this.span = undefined;
      this.#timeline = undefined;
      this.loadedTo = undefined;
      this.problem = undefined;
      live.showPast(undefined);
      alarms.showPast(undefined);
    });
  }

  #advance(by: number): void {
    const { span, loadedTo } = this;
    const time = moment.past;
    if (span === undefined || time === undefined || document.hidden) return;
    // It waits for what is not there yet.
    if (!this.isComplete && (loadedTo === undefined || time + by > loadedTo)) return;
    const end = Math.min(span.end, Date.now());
    this.seek(Math.min(time + by, end));
    if (time + by >= end) this.playing = false;
  }

  async #read(span: Span, signal: AbortSignal): Promise<void> {
    this.#timeline = undefined;
    this.loadedTo = undefined;
    this.isComplete = false;
    this.isTruncated = false;
    this.problem = undefined;
    if (span.start < Date.now() - DAYS_MAX * DAY_MS) {
      this.isComplete = true;
      return;
    }
    let looked = 0;
    const listener = (timeline: Timeline, loadedTo: number, complete: boolean) => {
      const now = Date.now();
      if (signal.aborted || (!complete && now - looked < LOADED_EVERY_MS)) return;
      looked = now;
      this.#timeline = timeline;
      this.isTruncated = timeline.isFull;
      if (!timeline.isFull || !complete) this.loadedTo = loadedTo;
      this.isComplete = complete;
      this.#loaded += 1;
    };
    try {
      await readTimeline(span, listener, signal);
    } catch (error) {
      if (!signal.aborted) this.problem = sentenceOf(error);
    }
  }
}

export const playback = new Playback();
