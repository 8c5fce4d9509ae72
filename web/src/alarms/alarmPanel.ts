/** The alarms of the page: the list, the card of one, the marks on the map, and announcements for screen readers. */

import { SEVERITY_NAMES, type Alarm } from "./alarm";
import { fetchAcknowledgers } from "./alarmApi";
import { AlarmCard } from "./alarmCard";
import { AlarmList } from "./alarmList";
import { StandingAlarms } from "./standingAlarms";
import { byId, setText } from "../page/element";
import { briefly, LANGUAGE } from "../page/language";
import { Problem } from "../http/problem";

/** Shortest time between two requests for the names of those who acknowledged. */
const NAMES_EVERY_MS = 1000;

export interface AlarmPanelListener {
  /** The user wants to see an entity. */
  onShowEntity(entityId: string): void;
  /** The card of an alarm was opened or closed. */
  onAlarmOpened(alarm: Alarm | undefined): void;
  /** The most urgent alarm of each entity changed. */
  onWorstAlarms(worst: ReadonlyMap<string, Alarm>): void;
}

export class AlarmPanel {
  readonly #alarms = new StandingAlarms();
  readonly #list: AlarmList;
  readonly #card: AlarmCard;
  readonly #listener: AlarmPanelListener;
  /** Ids of alarms to announce. */
  readonly #news = new Set<string>();
  #framed = false;
  #namesDue: ReturnType<typeof setTimeout> | undefined;

  constructor(listener: AlarmPanelListener, nameOf: (entityId: string) => string, timezone: string | undefined) {
    this.#listener = listener;
    this.#list = new AlarmList((id) => this.choose(id), nameOf);
    const card = {
      close: () => this.choose(undefined),
      show: (entityId: string) => listener.onShowEntity(entityId),
      keyChanged: () => this.#scheduleNames(),
    };
    this.#card = new AlarmCard(card, nameOf, timezone);
  }

  addFromSnapshot(alarm: Alarm): void {
    this.#alarms.addFromSnapshot(alarm);
  }

  endSnapshot(): void {
    this.#alarms.endSnapshot();
    this.#frame();
  }

  apply(alarm: Alarm): void {
    const news = this.#alarms.apply(alarm);
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
    this.#listener.onAlarmOpened(alarm);
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

  /** Shows everything anew, because names of entities changed. */
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
      this.#listener.onWorstAlarms(this.#alarms.worstByEntity());
      this.#announce();
      this.#scheduleNames();
    });
  }

  #announce(): void {
    const [first, ...others] = this.#alarms.standing().filter((one) => this.#news.has(one.id));
    this.#news.clear();
    if (first === undefined) return;
    const more = others.length === 0 ? "" : ` And ${others.length} more.`;
    setText(byId("alarm-news"), `${SEVERITY_NAMES[first.severity]} alarm: ${briefly(first.sentence)[LANGUAGE]}${more}`);
  }

  #scheduleNames(): void {
    this.#namesDue ??= setTimeout(() => {
      this.#namesDue = undefined;
      void this.#showNames();
    }, NAMES_EVERY_MS);
  }

  async #showNames(): Promise<void> {
    try {
      this.#list.acknowledgers(await fetchAcknowledgers());
    } catch (error) {
      // The list works without names; the card shows the problem with the key.
      if (!(error instanceof Problem)) throw error;
    }
  }
}
