/** The card of one alarm: its explanation, its events, and the actions of an operator. */

import { isAside, SEVERITY_NAMES, stateName, waits, type Alarm } from "./alarm";
import { act, fetchAlarm, fetchEvents } from "./alarmApi";
import type { AlarmAction, AlarmDetails, AlarmEvent, Operand } from "./alarmApi";
import { byId, element, setText, severitySign } from "../page/element";
import { hasKey, setKey } from "../http/apiKey";
import { briefly, LANGUAGE, said } from "../page/language";
import { sentenceOf } from "../http/problem";
import { propertyName, quantityText } from "../entities/quantity";

/** The durations of shelving that the user may choose, in ISO 8601. */
const SHELVES: readonly (readonly [string, string])[] = [
  ["PT30M", "30 minutes"],
  ["PT1H", "1 hour"],
  ["PT4H", "4 hours"],
  ["PT8H", "8 hours"],
  ["P1D", "1 day"],
];

export interface CardListener {
  close(): void;
  /** The user wants to see the entity. */
  show(entityId: string): void;
  /** The user entered or removed the API key. */
  keyChanged(): void;
}

export class AlarmCard {
  readonly #panel = byId("alarm");
  readonly #listener: CardListener;
  readonly #nameOf: (entityId: string) => string;
  readonly #timezone: string | undefined;
  readonly #head = element("header");
  readonly #why = element("div", { class: "why" });
  readonly #actions = element("div", { class: "actions" });
  readonly #outcome = element("p", { class: "outcome", role: "alert" });
  readonly #events = element("div", { class: "events" });
  #alarm: Alarm | undefined;
  #request: AbortController | undefined;

  constructor(listener: CardListener, nameOf: (entityId: string) => string, timezone: string | undefined) {
    this.#listener = listener;
    this.#nameOf = nameOf;
    this.#timezone = timezone;
    this.#panel.append(this.#head, this.#actions, this.#outcome, this.#why, this.#events);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#panel.hidden) listener.close();
    });
  }

  get open(): string | undefined {
    return this.#alarm?.id;
  }

  /** Opens the card of an alarm, updates it, or closes it for undefined. */
  show(alarm: Alarm | undefined): void {
    const before = this.#alarm;
    this.#alarm = alarm;
    this.#panel.hidden = alarm === undefined;
    document.body.classList.toggle("with-alarm", alarm !== undefined);
    if (alarm === undefined) {
      this.#request?.abort();
      delete this.#panel.dataset["shown"];
      return;
    }
    if (before?.id === alarm.id && before.revision >= alarm.revision) return;
    if (before?.id !== alarm.id) {
      for (const part of [this.#why, this.#events]) part.replaceChildren();
      setText(this.#outcome, "");
    }
    this.#panel.dataset["shown"] = alarm.id;
    this.#panel.dataset["state"] = alarm.state;
    this.#showHead(alarm);
    this.#showActions(alarm);
    void this.#fetch(alarm);
    if (before?.id !== alarm.id) this.#panel.focus({ preventScroll: true });
  }

  #showHead(alarm: Alarm): void {
    const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => this.#listener.close());
    const entity = element("button", { type: "button", class: "link" }, this.#nameOf(alarm.entityId));
    entity.addEventListener("click", () => this.#listener.show(alarm.entityId));
    this.#panel.className = `card severity-${alarm.severity}`;
    this.#head.replaceChildren(
      element("h2", { id: "alarm-name" }, severitySign(alarm.severity), said(briefly(alarm.sentence))),
      element(
        "p",
        { class: "kind" },
        `${SEVERITY_NAMES[alarm.severity]} · ${stateName(alarm.state)}${this.#until(alarm)} · `,
        entity,
      ),
      close,
    );
  }

  #until(alarm: Alarm): string {
    return alarm.shelvedUntil === undefined ? "" : ` until ${this.#clock(alarm.shelvedUntil)}`;
  }

  /** Renews the actions only when they change, so that text being typed is kept. */
  #showActions(alarm: Alarm): void {
    const look = `${alarm.id} ${alarm.state} ${hasKey()}`;
    if (this.#actions.dataset["look"] === look) return;
    this.#actions.dataset["look"] = look;
    this.#actions.replaceChildren(...(hasKey() ? this.#forms(alarm) : [this.#keyForm()]));
  }

  #forms(alarm: Alarm): HTMLElement[] {
    const forms: HTMLElement[] = [];
    if (waits(alarm)) forms.push(this.#button("Acknowledge", "acknowledge", { class: "primary" }));
    if (alarm.state.startsWith("latched")) forms.push(this.#button("Reset", "reset"));
    if (alarm.state === "shelved") forms.push(this.#button("Unshelve", "unshelve"));
    if (alarm.state === "out-of-service") forms.push(this.#button("Return to service", "restore"));
    if (!isAside(alarm) && !alarm.state.startsWith("latched")) forms.push(this.#shelveForm());
    forms.push(this.#commentForm());
    const forget = element("button", { type: "button", class: "link" }, "Remove my key");
    forget.addEventListener("click", () => this.#useKey(""));
    forms.push(element("p", { class: "key" }, forget));
    return forms;
  }

  #button(text: string, action: AlarmAction, attributes: Record<string, string> = {}): HTMLButtonElement {
    const button = element("button", { type: "button", "data-action": action, ...attributes }, text);
    button.addEventListener("click", () => void this.#act(button, action, {}));
    return button;
  }

  #shelveForm(): HTMLElement {
    const options = SHELVES.map(([value, name]) => element("option", { value }, name));
    const select = element("select", { "aria-label": "Shelve for" }, ...options);
    select.value = "PT1H";
    const button = element("button", { "data-action": "shelve" }, "Shelve");
    const form = element("form", {}, button, element("span", {}, "for"), select);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#act(button, "shelve", { duration: select.value });
    });
    return form;
  }

  #commentForm(): HTMLElement {
    const input = element("input", { type: "text", maxlength: "2000", "aria-label": "Comment", required: "" });
    const button = element("button", { "data-action": "comment" }, "Comment");
    const form = element("form", { class: "wide" }, input, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#act(button, "comment", { text: input.value }).then((done) => {
        if (done) input.value = "";
      });
    });
    return form;
  }

  #keyForm(): HTMLElement {
    const input = element("input", { id: "api-key", type: "password", autocomplete: "off", required: "" });
    const form = element(
      "form",
      { class: "wide" },
      element("label", { for: "api-key" }, "API key of an operator, to acknowledge, shelve or comment"),
      input,
      element("button", {}, "Use this key"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#useKey(input.value);
    });
    return form;
  }

  #useKey(key: string): void {
    setKey(key);
    setText(this.#outcome, "");
    if (this.#alarm !== undefined) {
      this.#showActions(this.#alarm);
      void this.#fetch(this.#alarm);
    }
    this.#actions.querySelector<HTMLElement>("button, input")?.focus();
    this.#listener.keyChanged();
  }

  /** Returns whether the action was done or accepted. */
  async #act(button: HTMLButtonElement, action: AlarmAction, body: Parameters<typeof act>[2]): Promise<boolean> {
    const alarm = this.#alarm;
    if (alarm === undefined) return false;
    button.disabled = true;
    setText(this.#outcome, "");
    try {
      const said = await act(alarm.id, action, body);
      if (this.#alarm?.id === alarm.id) setText(this.#outcome, said ?? "");
      return true;
    } catch (error) {
      if (this.#alarm?.id === alarm.id) setText(this.#outcome, sentenceOf(error));
      return false;
    } finally {
      button.disabled = false;
      if (!button.isConnected && !this.#panel.hidden) this.#panel.focus({ preventScroll: true });
    }
  }

  async #fetch(alarm: Alarm): Promise<void> {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    try {
      const details = await fetchAlarm(alarm.id, request.signal);
      if (!request.signal.aborted) this.#showWhy(details);
      const events = await fetchEvents(alarm.id, request.signal);
      if (!request.signal.aborted) this.#showEvents(events);
    } catch (error) {
      if (request.signal.aborted) return;
      this.#events.replaceChildren(element("p", { class: "note" }, sentenceOf(error)));
    }
  }

  #showWhy(details: AlarmDetails): void {
    const by = details.acknowledgedBy;
    const facts: [string, Node | string][] = [["Rule", `${details.rule}, version ${details.ruleVersion}`]];
    if (details.raisedTime !== undefined) facts.push(["Since", this.#clock(details.raisedTime)]);
    if (details.acknowledgedTime !== undefined)
      facts.push(["Acknowledged", `${this.#clock(details.acknowledgedTime)}${by === undefined ? "" : ` by ${by}`}`]);
    if (details.assignee !== undefined) facts.push(["Assigned to", details.assignee]);
    if (details.guidance !== undefined) facts.push(["What to do", said(details.guidance)]);
    this.#why.replaceChildren(
      element("h3", {}, "Why"),
      element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      ...details.operands.map((one) => this.#operand(one, details.entityId)),
    );
  }

  #operand(one: Operand, entityId: string): HTMLElement {
    const where = one.entityId === entityId ? "" : `, ${this.#nameOf(one.entityId)}`;
    const value = one.value === undefined ? "not shown: few households" : quantityText(one.name, one.value, one.unit);
    const limit = one.threshold === undefined ? "" : `, limit ${quantityText(one.name, one.threshold, one.unit)}`;
    const time = one.window === undefined ? this.#time(one.time) : `${this.#time(one.window.start)} – ${this.#time(one.window.end)}`;
    const link = (href: string, text: string) =>
      element("a", { href, target: "_blank", rel: "noopener" }, text);
    return element(
      "div",
      { class: "operand" },
      element("p", {}, `${propertyName(one.name)}${where}: `, element("b", {}, value), limit),
      element(
        "p",
        { class: "kind" },
        `${time} · `,
        element("span", { class: `badge badge-${one.quality}` }, one.quality),
        " · ",
        link(one.provenance, "lineage"),
      ),
      element(
        "ul",
        { class: "kind" },
        ...one.observations.map((each) =>
          element("li", {}, link(each.provenance, `${each.sensorId}, ${this.#time(each.time)}`)),
        ),
      ),
    );
  }

  #showEvents(events: readonly AlarmEvent[]): void {
    const items = events.map((one) =>
      element(
        "li",
        {},
        element("span", { class: "when" }, this.#clock(one.time)),
        element("b", {}, one.kind),
        one.actor === undefined ? "" : ` by ${one.actor}`,
        one.text === undefined ? "" : `: ${one.text}`,
      ),
    );
    this.#events.replaceChildren(element("h3", {}, "What happened"), element("ol", {}, ...items));
  }

  #time(text: string): string {
    return this.#clock(Date.parse(text));
  }

  #clock(time: number): string {
    return new Intl.DateTimeFormat(LANGUAGE === "nl" ? "nl-NL" : "en-GB", {
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
      ...(this.#timezone === undefined ? {} : { timeZone: this.#timezone }),
    }).format(time);
  }
}
