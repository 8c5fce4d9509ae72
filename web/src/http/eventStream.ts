/** The live connection: `GET /v1/live` as typed calls, reconnecting for as long as the page is open. */

import { alarmOf, type Alarm } from "../alarms/alarm";
import { stateEventOf, type StateEvent } from "../entities/liveState";

export type Connection = "connecting" | "live" | "reconnecting";

export interface LiveListener {
  connection(state: Connection): void;
  /** One value of a snapshot. */
  told(event: StateEvent): void;
  /** One alarm of a snapshot. */
  toldAlarm(alarm: Alarm): void;
  /** The snapshot is whole: what it did not name does not exist. */
  complete(): void;
  changed(event: StateEvent): void;
  changedAlarm(alarm: Alarm): void;
  /** Events were missed; a snapshot follows. */
  gap(): void;
}

const WAIT_FIRST_MS = 1000;
const WAIT_MAX_MS = 15_000;

export class Live {
  readonly #listener: LiveListener;
  #source: EventSource | undefined;
  #cursor = "";
  #wait = WAIT_FIRST_MS;

  constructor(listener: LiveListener) {
    this.#listener = listener;
  }

  open(): void {
    this.#source?.close();
    const cursor = this.#cursor === "" ? "" : `?cursor=${encodeURIComponent(this.#cursor)}`;
    const source = new EventSource(`/v1/live${cursor}`);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#wait = WAIT_FIRST_MS;
      // With a cursor there may be nothing to tell: being connected is being live.
      if (this.#cursor !== "") this.#listener.connection("live");
    });
    source.addEventListener("snapshot", (message) => this.#snapshot(message));
    source.addEventListener("state", (message) => {
      const event = stateEventOf(this.#read(message));
      if (event !== undefined) this.#listener.changed(event);
    });
    source.addEventListener("alarm", (message) => {
      const alarm = alarmOf(this.#read(message));
      if (alarm !== undefined) this.#listener.changedAlarm(alarm);
    });
    source.addEventListener("gap", (message) => {
      this.#read(message);
      this.#listener.gap();
    });
    source.addEventListener("error", () => this.#lost(source));
  }

  /** Starts anew without a cursor, so that a whole snapshot comes. */
  restart(): void {
    this.#cursor = "";
    this.open();
  }

  #snapshot(message: MessageEvent<string>): void {
    const data = this.#read(message);
    const alarm = alarmOf(data);
    const event = alarm === undefined ? stateEventOf(data) : undefined;
    if (alarm !== undefined) this.#listener.toldAlarm(alarm);
    if (event !== undefined) this.#listener.told(event);
    if (data["complete"] === true) {
      this.#listener.complete();
      this.#listener.connection("live");
    }
  }

  #read(message: MessageEvent<string>): Record<string, unknown> {
    if (message.lastEventId !== "") this.#cursor = message.lastEventId;
    return JSON.parse(message.data || "{}") as Record<string, unknown>;
  }

  #lost(source: EventSource): void {
    this.#listener.connection("reconnecting");
    // The browser reconnects by itself, except after an answer that is not a stream (503 while starting).
    if (source.readyState !== EventSource.CLOSED || source !== this.#source) return;
    setTimeout(() => {
      if (source === this.#source) this.open();
    }, this.#wait);
    this.#wait = Math.min(this.#wait * 2, WAIT_MAX_MS);
  }
}
