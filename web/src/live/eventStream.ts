/** The live events as typed calls, as long as the page is open. */

import { LiveTwin, LiveTwinError, type LiveEvent } from "livetwin-client";
import { alarmOf, type Alarm } from "../alarms/alarm";
import { stateEventOf, type StateEvent } from "./entityValues";
import { HEARTBEAT } from "./watchdog";

export interface EventStreamListener {
  /** Something arrived, be it only the comment that keeps the connection alive. */
  onBeat(): void;
  onConnection(state: "lost" | "open"): void;
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

/** Follows the events from a snapshot on, across broken connections and refusals, until the signal. */
export async function followEvents(listener: EventStreamListener, signal: AbortSignal): Promise<void> {
  const twin = new LiveTwin({ baseUrl: location.origin, retries: 0, fetch: listening(() => listener.onBeat()) });
  while (!signal.aborted) {
    try {
      const onConnection = (state: string) => {
        if (state === "lost" || state === "open") listener.onConnection(state);
      };
      for await (const event of twin.live({ heartbeat: HEARTBEAT }, { signal, onConnection })) dispatch(event, listener);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LiveTwinError)) throw error;
      console.warn(error.message);
    }
    listener.onConnection("lost");
    await new Promise((resolve) => setTimeout(resolve, AFTER_REFUSAL_MS));
  }
}

function dispatch(event: LiveEvent, listener: EventStreamListener): void {
  if (event.event === "gap") listener.onGap();
  else if (event.event === "snapshot") dispatchSnapshot(event.data, listener);
  else if (event.event === "alarm") {
    const alarm = alarmOf(event.data);
    if (alarm !== undefined) listener.onAlarm(alarm);
  } else {
    const state = stateEventOf(event.data);
    if (state !== undefined) listener.onState(state);
  }
}

function dispatchSnapshot(data: (LiveEvent & { event: "snapshot" })["data"], listener: EventStreamListener): void {
  const alarm = alarmOf(data);
  const state = alarm === undefined ? stateEventOf(data) : undefined;
  if (alarm !== undefined) listener.onSnapshotAlarm(alarm);
  if (state !== undefined) listener.onSnapshotState(state);
  if (data.complete === true) listener.onSnapshotComplete();
}

/** Returns a `fetch` that calls `beat` for each piece of an answer: comments of the stream are no events. */
function listening(beat: () => void): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (response.body === null) return response;
    const heard = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        beat();
        controller.enqueue(piece);
      },
    });
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(heard), { status, statusText, headers });
  };
}
