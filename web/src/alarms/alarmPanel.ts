/** The alarms of the page: what stands, its list, the card of one, its marks on the map, and news told aloud. */

import { SEVERITY_NAMES, type Alarm } from "./alarm";
import { fetchAcknowledgers } from "./alarmApi";
import { AlarmCard } from "./alarmCard";
import { AlarmList } from "./alarmList";
import { Alarms } from "./standingAlarms";
import { byId, setText } from "../page/element";
import { briefly, LANGUAGE } from "../page/language";
import { Problem } from "../http/problem";

/** Who acknowledged what is asked for at most this often. */
const NAMES_EVERY_MS = 1000;

export interface DeskListener {
  /** Somebody wants to see an entity, or the one that an alarm is of. */
  show(entityId: string): void;
  /** The card of an alarm was opened or closed. */
  opened(alarm: Alarm | undefined): void;
  /** Draws the most urgent alarm of each entity. */
  draw(worst: ReadonlyMap<string, Alarm>): void;
}

export class AlarmDesk {
  readonly #alarms = new Alarms();
  readonly #list: AlarmList;
  readonly #card: AlarmCard;
  readonly #listener: DeskListener;
  /** Alarms that are to be told aloud, as they are when that happens. */
  readonly #news = new Set<string>();
  #framed = false;
  #namesDue: ReturnType<typeof setTimeout> | undefined;

  constructor(listener: DeskListener, nameOf: (entityId: string) => string, timezone: string | undefined) {
    this.#listener = listener;
    this.#list = new AlarmList((id) => this.choose(id), nameOf);
    const card = {
      close: () => this.choose(undefined),
      show: (entityId: string) => listener.show(entityId),
      keyChanged: () => this.#askNames(),
    };
    this.#card = new AlarmCard(card, nameOf, timezone);
  }

  told(alarm: Alarm): void {
    this.#alarms.tell(alarm);
  }

  complete(): void {
    this.#alarms.complete();
    this.#frame();
  }

  changed(alarm: Alarm): void {
    const news = this.#alarms.change(alarm);
    if (news === undefined) return;
    if (news === "news") this.#news.add(alarm.id);
    if (alarm.id === this.#card.open) this.#card.show(alarm);
    this.#frame();
  }

  /** Opens the card of an alarm; undefined closes it. */
  choose(id: string | undefined): void {
    const before = this.#card.open;
    const alarm = id === undefined ? undefined : this.#alarms.get(id);
    this.#card.show(alarm);
    this.#list.mark(alarm?.id);
    this.#listener.opened(alarm);
    if (alarm === undefined && before !== undefined) this.#list.focus(before);
  }

  /** Opens the card of the most urgent alarm of an entity. */
  chooseOf(entityId: string): void {
    this.choose(this.#alarms.worstByEntity().get(entityId)?.id);
  }

  /** Closes the card without moving the focus. */
  leave(): void {
    this.#card.show(undefined);
    this.#list.mark(undefined);
  }

  /** Shows everything anew: the names of entities are others. */
  refresh(): void {
    this.#frame();
  }

  tick(now: number): void {
    this.#list.tick(now);
  }

  #frame(): void {
    if (this.#framed) return;
    this.#framed = true;
    requestAnimationFrame(() => {
      this.#framed = false;
      this.#list.show(this.#alarms.standing());
      this.#list.mark(this.#card.open);
      this.#listener.draw(this.#alarms.worstByEntity());
      this.#tellAloud();
      this.#askNames();
    });
  }

  #tellAloud(): void {
    const [first, ...others] = this.#alarms.standing().filter((one) => this.#news.has(one.id));
    this.#news.clear();
    if (first === undefined) return;
    const more = others.length === 0 ? "" : ` And ${others.length} more.`;
    setText(byId("alarm-news"), `${SEVERITY_NAMES[first.severity]} alarm: ${briefly(first.sentence)[LANGUAGE]}${more}`);
  }

  #askNames(): void {
    this.#namesDue ??= setTimeout(() => {
      this.#namesDue = undefined;
      void this.#showNames();
    }, NAMES_EVERY_MS);
  }

  async #showNames(): Promise<void> {
    try {
      this.#list.acknowledgers(await fetchAcknowledgers());
    } catch (error) {
      // The list is of use without names; the card says what is wrong with the key.
      if (!(error instanceof Problem)) throw error;
    }
  }
}
