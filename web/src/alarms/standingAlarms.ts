/** The alarms that stand, followed live. Bounded by the alarms that the city can have. */

import { byUrgency, isAside, SEVERITIES, type Alarm } from "./alarm";

export class Alarms {
  readonly #standing = new Map<string, Alarm>();
  /** The newest revision of each alarm: what is normal again must not come back by an older event. */
  readonly #revisions = new Map<string, number>();
  /** Alarms named while a snapshot is told; undefined while none is. */
  #snapshot: Set<string> | undefined;

  /** Takes in an alarm of a snapshot. What the whole snapshot does not name does not stand any more. */
  tell(alarm: Alarm): void {
    this.#snapshot ??= new Set();
    this.#snapshot.add(alarm.id);
    this.#keep(alarm);
  }

  /** Ends a snapshot. */
  complete(): void {
    const told = this.#snapshot ?? new Set<string>();
    this.#snapshot = undefined;
    for (const id of this.#standing.keys()) if (!told.has(id)) this.#standing.delete(id);
  }

  /** Takes in a change; returns what it is: "news" for people when it begins to wait for them, or is worse than it was. */
  change(alarm: Alarm): "news" | "changed" | undefined {
    if (alarm.revision <= (this.#revisions.get(alarm.id) ?? -1)) return undefined;
    const stood = this.#standing.get(alarm.id);
    this.#keep(alarm);
    if (alarm.state !== "unacknowledged") return "changed";
    const worse = stood === undefined || SEVERITIES.indexOf(alarm.severity) < SEVERITIES.indexOf(stood.severity);
    return worse || stood?.state !== "unacknowledged" ? "news" : "changed";
  }

  get(id: string): Alarm | undefined {
    return this.#standing.get(id);
  }

  /** Returns what stands, the most urgent first. */
  standing(): Alarm[] {
    return [...this.#standing.values()].sort(byUrgency);
  }

  /** Returns the most urgent alarm of each entity that nobody has set aside. */
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
