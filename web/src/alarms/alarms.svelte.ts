/** The standing alarms for the components, renewed once a frame, and news for screen readers and sounds. */

import { announcer } from "../app/announcer.svelte";
import { inLanguage } from "../language/language.svelte";
import { Frame } from "../live/frame";
import { isAside, waits, type Alarm } from "./alarm";
import { alarmSentences, severityName } from "./sentences";
import { StandingAlarms } from "./standingAlarms";

/** Called with alarms that newly wait for an acknowledgement or are worse, the most urgent first. */
export type NewsListener = (news: readonly [Alarm, ...Alarm[]]) => void;

class Alarms {
  /** The most urgent first. */
  standing = $state.raw<readonly Alarm[]>([]);
  /** The most urgent alarm of each entity, without those that need no action. */
  worst = $state.raw<ReadonlyMap<string, Alarm>>(new Map());
  /** Those that need an action, or would if nobody had acknowledged them. */
  readonly present = $derived(this.standing.filter((one) => !isAside(one)));
  readonly waiting = $derived(this.present.filter(waits).length);

  readonly #alarms = new StandingAlarms();
  /** What the page shows instead: the alarms of a moment in the past. */
  #past: StandingAlarms | undefined;
  /** Ids of alarms to announce. */
  readonly #news = new Set<string>();
  readonly #listeners = new Set<NewsListener>();
  readonly #frame = new Frame(() => this.#show());

  /** Returns an alarm as it is now; undefined when it does not stand. */
  get(id: string): Alarm | undefined {
    return this.standing.find((one) => one.id === id);
  }

  /** Calls the listener with what is new, until the returned function is called. */
  onNews(listener: NewsListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addFromSnapshot(alarm: Alarm): void {
    this.#alarms.addFromSnapshot(alarm);
  }

  endSnapshot(): void {
    this.#alarms.endSnapshot();
    this.#frame.ask();
  }

  apply(alarm: Alarm): void {
    const outcome = this.#alarms.apply(alarm);
    if (outcome === undefined) return;
    if (outcome === "news") this.#news.add(alarm.id);
    this.#frame.ask();
  }

  /** Shows the alarms of a moment in the past; undefined shows the present again. News is announced meanwhile. */
  showPast(past: StandingAlarms | undefined): void {
    if (past === undefined && this.#past === undefined) return;
    this.#past = past;
    this.#show();
  }

  #show(): void {
    const shown = this.#past ?? this.#alarms;
    this.standing = shown.standing();
    this.worst = shown.worstByEntity();
    this.#announce();
  }

  #announce(): void {
    const [first, ...others] = this.#alarms.standing().filter((one) => this.#news.has(one.id));
    this.#news.clear();
    if (first === undefined) return;
    for (const listener of this.#listeners) listener([first, ...others]);
    const words = alarmSentences();
    const more = others.length === 0 ? "" : words.more(others.length);
    const sentence = words.news(severityName(first.severity), inLanguage(first.sentence)) + more;
    announcer.say(sentence, first.severity === "critical" ? "assertive" : "polite");
  }
}

export const alarms = new Alarms();
