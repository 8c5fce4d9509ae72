/** The event stream `GET /v1/live` as typed calls; it reconnects as long as the page is open. */

import { alarmOf, type Alarm } from "../alarms/alarm";
import { stateEventOf, type StateEvent } from "../entities/liveState";

export type Connection = "connecting" | "live" | "reconnecting";

export interface EventStreamListener {
  onConnection(state: Connection): void;
  /** One value of a snapshot. */
  onSnapshotState(event: StateEvent): void;
  /** One alarm of a snapshot. */
  onSnapshotAlarm(alarm: Alarm): void;
  /** The snapshot is complete: values and alarms that it lacks do not exist. */
  onSnapshotComplete(): void;
  onState(event: StateEvent): void;
  onAlarm(alarm: Alarm): void;
  /** Events were missed; a snapshot follows. */
  onGap(): void;
}

const WAIT_FIRST_MS = 1000;
const WAIT_MAX_MS = 15_000;

export class EventStream {
  readonly #listener: EventStreamListener;
  #source: EventSource | undefined;
  #cursor = "";
  #wait = WAIT_FIRST_MS;

  constructor(listener: EventStreamListener) {
    this.#listener = listener;
  }

  open(): void {
    this.#source?.close();
    const cursor = this.#cursor === "" ? "" : `?cursor=${encodeURIComponent(this.#cursor)}`;
    const source = new EventSource(`/v1/live${cursor}`);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#wait = WAIT_FIRST_MS;
      // With a cursor there may be no missed events: the connection alone means live.
      if (this.#cursor !== "") this.#listener.onConnection("live");
    });
    source.addEventListener("snapshot", (message) => this.#snapshot(message));
    source.addEventListener("state", (message) => {
      const event = stateEventOf(this.#read(message));
      if (event !== undefined) this.#listener.onState(event);
    });
    source.addEventListener("alarm", (message) => {
      const alarm = alarmOf(this.#read(message));
      if (alarm !== undefined) this.#listener.onAlarm(alarm);
    });
    source.addEventListener("gap", (message) => {
      this.#read(message);
      this.#listener.onGap();
    });
    source.addEventListener("error", () => this.#lost(source));
  }

  /** Starts anew without a cursor, to get a complete snapshot. */
  restart(): void {
    this.#cursor = "";
    this.open();
  }

  #snapshot(message: MessageEvent<string>): void {
    const data = this.#read(message);
    const alarm = alarmOf(data);
    const event = alarm === undefined ? stateEventOf(data) : undefined;
    if (alarm !== undefined) this.#listener.onSnapshotAlarm(alarm);
    if (event !== undefined) this.#listener.onSnapshotState(event);
    if (data["complete"] === true) {
      this.#listener.onSnapshotComplete();
      this.#listener.onConnection("live");
    }
  }

  #read(message: MessageEvent<string>): Record<string, unknown> {
    if (message.lastEventId !== "") this.#cursor = message.lastEventId;
    return JSON.parse(message.data || "{}") as Record<string, unknown>;
  }

  #lost(source: EventSource): void {
    this.#listener.onConnection("reconnecting");
    // The browser reconnects by itself, except after an answer that is not a stream (503 while starting).
    if (source.readyState !== EventSource.CLOSED || source !== this.#source) return;
    setTimeout(() => {
      if (source === this.#source) this.open();
    }, this.#wait);
    this.#wait = Math.min(this.#wait * 2, WAIT_MAX_MS);
  }
}
