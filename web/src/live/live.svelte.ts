/**
 * The city as it is now: its entities, their values and alarms, and whether that is still true.
 *
 * Events change plain maps. Once a frame the cells of the entities that changed are renewed, so that a value touches
 * the rows that show it and nothing else.
 */

import type { Alarm } from "../alarms/alarm";
import { alarms } from "../alarms/alarms.svelte";
import { fetchEntities, type Entity } from "../entities/entity";
import type { Freshness } from "../entities/freshness";
import { Problem } from "../http/problem";
import { EntityValues, NO_VALUES, type Counts, type StateEvent, type Value } from "./entityValues";
import { followEvents, type EventStreamListener } from "./eventStream";
import { Frame } from "./frame";
import { Interruption, type Missed } from "./interruption";
import { Watchdog } from "./watchdog";

/** `late`: the connection is open, but nothing comes. */
export type Connection = "connecting" | "live" | "late" | "reconnecting";

/** What the page shows of one entity. */
export class EntityCell {
  values = $state.raw<ReadonlyMap<string, Value>>(NO_VALUES);
  freshness = $state.raw<Freshness>();
}

const NO_CELL = new EntityCell();

/** Shortest time between two counts of the entities by freshness, and two layouts of map and list. */
const LAYOUT_EVERY_MS = 500;
/** Shortest time between two fetches of the model, when events name entities that it does not contain. */
const RELOAD_EVERY_MS = 10_000;
const RETRY_AFTER_MS = 3000;
const WATCH_EVERY_MS = 500;

export type FrameListener = (changed: ReadonlySet<string>) => void;

class Live implements EventStreamListener {
  /** The entities of the model by id. */
  entities = $state.raw<ReadonlyMap<string, Entity>>(new Map());
  counts = $state.raw<Counts>({ live: 0, stale: 0, silent: 0 });
  connection = $state.raw<Connection>("connecting");
  /** The first snapshot is complete: what the page shows is whole. */
  isComplete = $state.raw(false);
  /** When the last event arrived, in epoch milliseconds. */
  lastEvent = $state.raw<number>();
  /** When the last sign of life arrived. */
  lastBeat = $state.raw<number>();
  /** Grows when the freshness of an entity changed, at most twice a second. */
  layout = $state.raw(0);
  /** A sentence about a failed fetch of the model. */
  problem = $state.raw<string>();
  /** The last sign of life before the present interruption, in epoch milliseconds. */
  interruptedAt = $state.raw<number>();
  /** The last interruption that is over, and what came after it. */
  missed = $state.raw<Missed>();
  /** Whether values and counts are those of now. */
  readonly isCurrent = $derived(this.connection === "live");

  readonly #values = new EntityValues();
  /** What the page shows instead: the values of a moment in the past. */
  #past: EntityValues | undefined;
  readonly #cells = new Map<string, EntityCell>();
  readonly #changed = new Set<string>();
  readonly #listeners = new Set<FrameListener>();
  readonly #frame = new Frame(() => this.#show());
  readonly #watchdog = new Watchdog(Date.now());
  readonly #interruption = new Interruption();
  #newest: number | undefined;
  #laidOut = 0;
  #layoutDue: ReturnType<typeof setTimeout> | undefined;
  #reloaded = 0;

  /** Fetches the model, then follows the events until the returned function is called. */
  begin(): () => void {
    const stop = new AbortController();
    const watch = setInterval(() => this.#watch(), WATCH_EVERY_MS);
    void this.#load(stop.signal).then(() => {
      this.#layOut();
      this.#watchdog.beat(Date.now());
      return followEvents(this, stop.signal);
    });
    return () => {
      stop.abort();
      clearInterval(watch);
      clearTimeout(this.#layoutDue);
      this.#frame.stop();
    };
  }

  /** Returns the cell of an entity, which stays the same one; an empty one of an entity that the model lacks. */
  cell(id: string): EntityCell {
    const cell = this.#cells.get(id);
    // Whoever asked too early asks again when the model comes.
    if (cell === undefined) void this.entities;
    return cell ?? NO_CELL;
  }

  /** Returns the name of an entity, or its id where the model lacks it. */
  nameOf(id: string): string {
    return this.entities.get(id)?.name ?? id;
  }

  /** Calls the listener in each frame with the entities that changed, until the returned function is called. */
  onFrame(listener: FrameListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Shows the values of a moment in the past; undefined shows the present again. Events are kept meanwhile. */
  showPast(past: EntityValues | undefined): void {
    if (past === undefined && this.#past === undefined) return;
    this.#past = past;
    const shown = past ?? this.#values;
    for (const [id, cell] of this.#cells) {
      const entity = this.entities.get(id);
      const values = shown.valuesOf(id);
      if (!isSame(cell.values, values)) cell.values = new Map(values);
      cell.freshness = entity && shown.freshnessOf(entity);
    }
    this.#layOut();
  }

  onBeat(): void {
    const now = Date.now();
    this.#watchdog.beat(now);
    if (this.connection === "late") this.#resume(now);
  }

  onConnection(state: "lost" | "open"): void {
    const now = Date.now();
    if (state === "lost") this.#interrupt("reconnecting");
    // After the first snapshot there may be no missed events: the connection alone means live.
    else if (this.isComplete) this.#resume(now);
  }

  onSnapshotState(event: StateEvent): void {
    this.#interruption.value(event, this.#values.valuesOf(event.entityId).get(event.property));
    this.#values.addFromSnapshot(event);
    this.#touch(event.entityId);
  }

  onSnapshotAlarm(alarm: Alarm): void {
    alarms.addFromSnapshot(alarm);
  }

  onSnapshotComplete(): void {
    alarms.endSnapshot();
    for (const id of this.#values.endSnapshot()) this.#touch(id);
    this.isComplete = true;
    this.#resume(Date.now());
    this.#frame.ask();
  }

  onState(event: StateEvent): void {
    if (!this.#values.apply(event)) return;
    this.#interruption.value(event, undefined);
    this.#touch(event.entityId);
  }

  onAlarm(alarm: Alarm): void {
    this.#interruption.alarm(alarm);
    alarms.apply(alarm);
    this.#newest = Date.now();
    this.#frame.ask();
  }

  onGap(): void {
    this.#interruption.gap();
    this.connection = "reconnecting";
  }

  #watch(): void {
    const now = Date.now();
    if (this.connection === "live" && this.#watchdog.isLate(now)) this.#interrupt("late");
    this.lastBeat = this.#watchdog.last;
    const missed = this.#interruption.summary(now);
    if (missed !== undefined) this.missed = missed;
  }

  #interrupt(state: "late" | "reconnecting"): void {
    if (this.isComplete) {
      this.#interruption.begin(this.#watchdog.last);
      this.interruptedAt ??= this.#watchdog.last;
    }
    this.connection = state;
  }

  #resume(now: number): void {
    this.#watchdog.beat(now);
    this.#interruption.end(now);
    this.interruptedAt = undefined;
    this.connection = "live";
  }

  #touch(id: string): void {
    this.#changed.add(id);
    this.#newest = Date.now();
    if (!this.entities.has(id)) void this.#reload();
    this.#frame.ask();
  }

  #show(): void {
    this.lastEvent = this.#newest;
    if (this.#past !== undefined) {
      this.#changed.clear();
      return;
    }
    let lookChanged = false;
    for (const id of this.#changed) {
      const entity = this.entities.get(id);
      const cell = this.#cells.get(id);
      if (cell === undefined) continue;
      // A copy: the map of the state goes on changing.
      cell.values = new Map(this.#values.valuesOf(id));
      const freshness = entity && this.#values.freshnessOf(entity);
      if (cell.freshness !== freshness) lookChanged = true;
      cell.freshness = freshness;
    }
    for (const listener of this.#listeners) listener(this.#changed);
    this.#changed.clear();
    if (lookChanged) this.#layoutDue ??= setTimeout(() => this.#layOut(), Math.max(0, this.#laidOut + LAYOUT_EVERY_MS - Date.now()));
  }

  #layOut(): void {
    clearTimeout(this.#layoutDue);
    this.#layoutDue = undefined;
    this.#laidOut = Date.now();
    this.counts = (this.#past ?? this.#values).counts();
    this.layout += 1;
  }

  /** Fetches the model, and retries until that succeeds. */
  async #load(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#values.load(await fetchEntities());
        this.#renewCells();
        this.entities = new Map(this.#values.entities);
        this.problem = undefined;
        return;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        this.problem = error.message;
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
  }

  /** Makes the cells of new entities. Here and not when they are asked for: a derived value must not make signals. */
  #renewCells(): void {
    const shown = this.#past ?? this.#values;
    for (const [id, entity] of this.#values.entities) {
      let cell = this.#cells.get(id);
      if (cell === undefined) this.#cells.set(id, (cell = new EntityCell()));
      cell.values = new Map(shown.valuesOf(id));
      cell.freshness = shown.freshnessOf(entity);
    }
    for (const id of this.#cells.keys()) if (!this.#values.entities.has(id)) this.#cells.delete(id);
  }

  async #reload(): Promise<void> {
    if (Date.now() - this.#reloaded < RELOAD_EVERY_MS) return;
    this.#reloaded = Date.now();
    await this.#load(new AbortController().signal);
    this.#layOut();
  }
}

export const live = new Live();

function isSame(one: EntityCell["values"], other: EntityCell["values"]): boolean {
  if (one.size !== other.size) return false;
  for (const [property, value] of one) if (other.get(property) !== value) return false;
  return true;
}
