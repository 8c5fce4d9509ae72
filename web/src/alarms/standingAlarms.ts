/** The standing alarms, kept up to date by events. Bounded by the number of possible alarms. */

import { byUrgency, isAside, SEVERITIES, type Alarm } from "./alarm";

export class StandingAlarms {
  readonly #standing = new Map<string, Alarm>();
  /** The newest revision of each alarm: an older event must not restore an alarm that is normal again. */
  readonly #revisions = new Map<string, number>();
  /** Alarms of the snapshot being received; undefined outside a snapshot. */
  #snapshot: Set<string> | undefined;

  /** Adds an alarm of a snapshot. Alarms missing in the whole snapshot are removed at its end. */
  addFromSnapshot(alarm: Alarm): void {
    this.#snapshot ??= new Set();
    this.#snapshot.add(alarm.id);
    this.#keep(alarm);
  }

  /** Ends a snapshot. */
  endSnapshot(): void {
    const named = this.#snapshot ?? new Set<string>();
    this.#snapshot = undefined;
    for (const id of this.#standing.keys()) if (!named.has(id)) this.#standing.delete(id);
  }

  /** Applies a change; returns "news" when the alarm newly waits for an acknowledgement or is worse. */
  apply(alarm: Alarm): "news" | "changed" | undefined {
    if (alarm.revision <= (this.#revisions.get(alarm.id) ?? -1)) return undefined;
    const before = this.#standing.get(alarm.id);
    this.#keep(alarm);
    if (alarm.state !== "unacknowledged") return "changed";
    const worse = before === undefined || SEVERITIES.indexOf(alarm.severity) < SEVERITIES.indexOf(before.severity);
    return worse || before?.state !== "unacknowledged" ? "news" : "changed";
  }

  get(id: string): Alarm | undefined {
    return this.#standing.get(id);
  }

  /** Returns the standing alarms, the most urgent first. */
  standing(): Alarm[] {
    return [...this.#standing.values()].sort(byUrgency);
  }

  /** Returns the most urgent alarm of each entity, without shelved, suppressed and out-of-service ones. */
  worstByEntity(): Map<string, Alarm> {
    const worst = new Map<string, Alarm>();
    for (const alarm of this.standing())
      if (!isAside(alarm) && !worst.has(alarm.entityId)) worst.set(alarm.entityId, alarm);
    return worst;
  }

  #keep(alarm: Alarm): void {
    this.#revisions.set(alarm.id, alarm.revision);
    if (alarm.state === "normal") this.#standing.delete(alarm.id);
    else this.#standing.set(alarm.id, alarm);
  }
}
