/** The liveability card of an area: the score, value, freshness and source of each domain. */

import type { Schemas } from "livetwin-client";
import { ageText } from "../page/age";
import { element, freshnessSign, setText } from "../page/element";
import { fetched, sentenceOf } from "../http/problem";
import { openTwin } from "../http/twin";
import { numberText, propertyName, quantityText } from "./quantity";

const AREA_TYPES = ["Municipality", "District", "Neighbourhood"];

/** Time between two requests while the card is open. */
const REFRESH_MS = 60_000;

export function isArea(type: string): boolean {
  return AREA_TYPES.includes(type);
}

export class LiveabilityCard {
  readonly element = element("section", { class: "liveability", "aria-label": "Liveability" });
  readonly #entityId: string;
  readonly #list = element("ul");
  readonly #note = element("p", { class: "note", role: "status" }, "Fetching …");
  readonly #request = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #ages: [HTMLElement, number][] = [];

  constructor(entityId: string) {
    this.#entityId = entityId;
    this.element.append(element("h3", {}, "Liveability"), this.#list, this.#note);
    this.#timer = setInterval(() => void this.#fetch(), REFRESH_MS);
    void this.#fetch();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#request.abort();
  }

  tick(now: number): void {
    for (const [age, time] of this.#ages) setText(age, ageText(time, now));
  }

  async #fetch(): Promise<void> {
    if (document.hidden) return;
    const signal = this.#request.signal;
    try {
      const answer = openTwin().get("/v1/entities/{id}/liveability", { id: this.#entityId }, { signal });
      const card = await fetched("The liveability card", answer);
      this.#ages = [];
      this.#list.replaceChildren(...card.domains.map((one) => this.#line(one)));
      setText(this.#note, "");
      this.tick(Date.now());
    } catch (error) {
      if (!signal.aborted) setText(this.#note, sentenceOf(error));
    }
  }

  #line(one: Schemas["DomainScore"]): HTMLElement {
    const score = one.score === null ? "–" : numberText(Math.round(one.score));
    const meter = element("meter", { min: "0", max: "100", value: String(one.score ?? 0), "aria-hidden": "true" });
    meter.hidden = one.score === null;
    const line = element(
      "li",
      { "data-domain": one.domain, title: `${one.explanation.en}. Source: ${one.source}` },
      element("span", { class: "domain" }, one.title.en),
      element("span", { class: "score" }, score, element("span", { class: "unseen" }, " of 100")),
      meter,
    );
    if (one.score !== null) line.dataset["score"] = String(one.score);
    line.append(this.#measured(one));
    return line;
  }

  #measured(one: Schemas["DomainScore"]): HTMLElement {
    if (one.value === null) return element("span", { class: "condition" }, "No value");
    const age = element("time");
    const time = Date.parse(one.phenomenonTime ?? "");
    if (!Number.isNaN(time)) this.#ages.push([age, time]);
    const text = `${propertyName(one.measuredBy)} ${quantityText(one.measuredBy, one.value, one.unit)}`;
    const worth = one.quality === "good" ? "" : `, ${one.quality}`;
    return element("span", { class: "condition" }, freshnessSign(one.freshness ?? "none"), text + worth, age);
  }
}
