/** The live events as typed calls, as long as the page is open. */

import { LiveTwinError, type LiveEvent } from "livetwin-client";
import { alarmOf, type Alarm } from "../alarms/alarm";
import { stateEventOf, type StateEvent } from "../entities/liveState";
import { openTwin } from "./twin";

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

/** The wait after a refusal: a page stays open for weeks, and a proxy may refuse for minutes. */
const AFTER_REFUSAL_MS = 15_000;

export class EventStream {
  readonly #listener: EventStreamListener;

  constructor(listener: EventStreamListener) {
    this.#listener = listener;
  }

  async run(): Promise<never> {
    for (;;) {
      try {
        await this.#follow();
      } catch (error) {
        if (!(error instanceof LiveTwinError)) throw error;
        console.warn(error.message);
      }
      this.#listener.onConnection("reconnecting");
      await new Promise((resolve) => setTimeout(resolve, AFTER_REFUSAL_MS));
    }
  }

  /** Follows the events from a snapshot on, across broken connections, until they are refused. */
  async #follow(): Promise<void> {
    let begun = false;
    const events = openTwin().live(
      {},
      {
        onConnection: (state) => {
          if (state === "lost") this.#listener.onConnection("reconnecting");
          // After the first event there may be no missed ones: the connection alone means live.
          if (state === "open" && begun) this.#listener.onConnection("live");
        },
      },
    );
    for await (const event of events) {
      begun = true;
      this.#on(event);
    }
  }

  #on(event: LiveEvent): void {
    if (event.event === "gap") this.#listener.onGap();
    else if (event.event === "snapshot") this.#onSnapshot(event.data);
    else if (event.event === "alarm") {
      const alarm = alarmOf(event.data);
      if (alarm !== undefined) this.#listener.onAlarm(alarm);
    } else {
      const state = stateEventOf(event.data);
      if (state !== undefined) this.#listener.onState(state);
    }
  }

  #onSnapshot(data: (LiveEvent & { event: "snapshot" })["data"]): void {
    const alarm = alarmOf(data);
    const state = alarm === undefined ? stateEventOf(data) : undefined;
    if (alarm !== undefined) this.#listener.onSnapshotAlarm(alarm);
    if (state !== undefined) this.#listener.onSnapshotState(state);
    if (data.complete === true) {
      this.#listener.onSnapshotComplete();
      this.#listener.onConnection("live");
    }
  }
}
