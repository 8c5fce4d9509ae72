/** The list of standing alarms, grouped by incident, with their number in the overview. */

import { ageText } from "../page/age";
import { causeName, isAside, SEVERITY_NAMES, stateName, waits, type Alarm } from "./alarm";
import { byId, element, setText, severitySign } from "../page/element";
import { briefly, said } from "../page/language";

/** The largest number of rows in the document: more would not be read. */
const ROWS_MAX = 200;

interface Row {
  readonly item: HTMLLIElement;
  readonly age: HTMLTimeElement;
  readonly by: HTMLElement;
  readonly alarm: Alarm;
}

export class AlarmList {
  readonly #choose: (id: string) => void;
  readonly #nameOf: (entityId: string) => string;
  readonly #toggle = byId<HTMLButtonElement>("alarms-toggle");
  readonly #panel = byId("alarms");
  readonly #rows = new Map<string, Row>();
  #by: ReadonlyMap<string, string> = new Map();

  /** `choose` is called with the alarm that the user selects; `nameOf` returns the name of an entity. */
  constructor(choose: (id: string) => void, nameOf: (entityId: string) => string) {
    this.#choose = choose;
    this.#nameOf = nameOf;
    this.#toggle.addEventListener("click", () => this.unfold(this.#panel.hidden));
    this.#panel.addEventListener("keydown", (event) => this.#move(event));
  }

  unfold(unfolded: boolean): void {
    this.#panel.hidden = !unfolded;
    this.#toggle.setAttribute("aria-expanded", String(unfolded));
    document.body.classList.toggle("with-alarms", unfolded);
  }

  /** Shows the standing alarms, the most urgent first. */
  show(alarms: readonly Alarm[]): void {
    this.#count(alarms);
    const focused = (document.activeElement as HTMLElement | null)?.dataset["alarm"];
    const groups = new Map<string, Alarm[]>();
    for (const alarm of alarms.slice(0, ROWS_MAX)) {
      const key = `${alarm.cause}~${alarm.area}`;
      groups.set(key, [...(groups.get(key) ?? []), alarm]);
    }
    const shown = new Set(alarms.slice(0, ROWS_MAX).map((one) => one.id));
    for (const id of this.#rows.keys()) if (!shown.has(id)) this.#rows.delete(id);
    byId("alarm-list").replaceChildren(...[...groups.values()].map((members) => this.#group(members)));
    byId("no-alarms").hidden = alarms.length > 0;
    if (focused !== undefined) this.focus(focused);
    this.tick(Date.now());
  }

  /** Shows who acknowledged which alarm. */
  acknowledgers(by: ReadonlyMap<string, string>): void {
    this.#by = by;
    for (const [id, { by: shown }] of this.#rows) this.#showBy(id, shown);
  }

  mark(id: string | undefined): void {
    for (const [alarm, { item }] of this.#rows) {
      const button = item.querySelector("button");
      if (alarm === id) button?.setAttribute("aria-current", "true");
      else button?.removeAttribute("aria-current");
    }
  }

  focus(id: string): void {
    this.#rows.get(id)?.item.querySelector("button")?.focus({ preventScroll: true });
  }

  tick(now: number): void {
    for (const { alarm, age } of this.#rows.values())
      if (alarm.raisedTime !== undefined) setText(age, ageText(alarm.raisedTime, now));
  }

  #count(alarms: readonly Alarm[]): void {
    const present = alarms.filter((one) => !isAside(one));
    const waiting = present.filter(waits).length;
    const count = byId("alarm-count");
    const some = waiting === present.length ? `${waiting} new` : `${present.length}, ${waiting} new`;
    setText(count, present.length === 0 ? "none" : waiting === 0 ? String(present.length) : some);
    count.className = present[0] === undefined ? "" : `severity-${present[0].severity}`;
    count.dataset["count"] = String(present.length);
    count.dataset["waiting"] = String(waiting);
  }

  #group(members: readonly Alarm[]): HTMLElement {
    const first = members[0]!;
    const heading = element(
      "h3",
      {},
      `${causeName(first.cause)}, ${this.#nameOf(first.area)}`,
      element("span", { class: "count" }, members.length > 1 ? `${members.length} alarms` : ""),
    );
    return element(
      "section",
      { class: "incident" },
      heading,
      element("ul", {}, ...members.map((one) => this.#row(one))),
    );
  }

  #row(alarm: Alarm): HTMLLIElement {
    const known = this.#rows.get(alarm.id);
    if (known?.alarm === alarm) return known.item;
    const age = element("time");
    if (alarm.raisedTime !== undefined) age.dateTime = new Date(alarm.raisedTime).toISOString();
    const by = element("span", { class: "by" });
    const button = element(
      "button",
      { type: "button", "data-alarm": alarm.id, "data-state": alarm.state, "data-severity": alarm.severity },
      severitySign(alarm.severity),
      element(
        "span",
        { class: "what" },
        element(
          "span",
          { class: "line" },
          element("b", {}, SEVERITY_NAMES[alarm.severity]),
          ` · ${this.#nameOf(alarm.entityId)}`,
        ),
        said(briefly(alarm.sentence), { class: "sentence" }),
        element("span", { class: "kind" }, `${stateName(alarm.state)}`, by, " · ", age),
      ),
    );
    if (known?.item.querySelector("[aria-current]")) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => this.#choose(alarm.id));
    const row = { item: element("li", {}, button), age, by, alarm };
    this.#rows.set(alarm.id, row);
    this.#showBy(alarm.id, by);
    return row.item;
  }

  #showBy(id: string, shown: HTMLElement): void {
    const by = this.#by.get(id);
    setText(shown, by === undefined ? "" : ` by ${by}`);
  }

  #move(event: KeyboardEvent): void {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const buttons = [...this.#panel.querySelectorAll<HTMLButtonElement>("[data-alarm]")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    event.preventDefault();
    buttons[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
}
