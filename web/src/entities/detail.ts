/** The detail panel: one entity with its values, and the last day of one of them. */

import { ageText } from "../page/age";
import { Chart } from "./chart";
import { byId, element, freshnessSign, setText } from "../page/element";
import { typeName, type Entity } from "./entity";
import { FRESHNESS_NAMES } from "./freshness";
import { append, fetchDay, type Series } from "./history";
import { isArea, LiveabilityCard } from "./liveability";
import { sentenceOf } from "../http/problem";
import { kindOf, numberText, propertyName, quantityText, type Kind } from "./quantity";
import type { Theme } from "../map/theme";
import type { Value } from "./liveState";

interface Row {
  readonly row: HTMLTableRowElement;
  readonly button: HTMLButtonElement;
  readonly value: HTMLElement;
  readonly quality: HTMLElement;
  readonly age: HTMLTimeElement;
  readonly good: HTMLElement;
  shown: Value;
}

const GROUPS: readonly (readonly [Kind, string])[] = [
  ["observed", "Measured here"],
  ["indicator", "Indicators"],
  ["area", "Over the whole area"],
];

export class Detail {
  readonly #panel = byId("detail");
  readonly #close: () => void;
  readonly #timezone: string | undefined;
  readonly #rows = new Map<string, Row>();
  readonly #groups = new Map<Kind, HTMLTableSectionElement>();
  #card: LiveabilityCard | undefined;
  #empty = element("p", { class: "note" });
  #figure = element("figure", { class: "day" });
  #entity: Entity | undefined;
  #property: string | undefined;
  #series: Series | undefined;
  #chart: Chart | undefined;
  #request: AbortController | undefined;

  constructor(timezone: string | undefined, close: () => void) {
    this.#timezone = timezone;
    this.#close = close;
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#panel.hidden) close();
    });
  }

  /** Opens the panel of an entity, or closes it. `area` is the name of the area that contains it. */
  open(
    entity: Entity | undefined,
    area: string | undefined,
    theme: Theme | undefined,
    values: ReadonlyMap<string, Value>,
    now: number,
  ): void {
    this.#forget();
    this.#entity = entity;
    this.#panel.hidden = entity === undefined;
    document.body.classList.toggle("with-detail", entity !== undefined);
    if (entity === undefined) {
      delete this.#panel.dataset["entity"];
      return;
    }
    this.#panel.dataset["entity"] = entity.id;
    this.#panel.className = `card theme-${theme ?? "none"}`;
    this.#build(entity, area);
    this.update(values, now);
    if (values.size === 0)
      setText(
        this.#empty,
        entity.themes.length > 0 ? "Nothing has been measured here yet." : "Nothing is measured here.",
      );
    this.#panel.focus({ preventScroll: true });
  }

  /** Shows the present values; the first one that appears is charted. */
  update(values: ReadonlyMap<string, Value>, now: number): void {
    if (this.#entity === undefined) return;
    for (const [property, value] of values) this.#show(property, value);
    for (const [property, row] of this.#rows) {
      if (values.has(property)) continue;
      row.row.remove();
      this.#rows.delete(property);
    }
    for (const group of this.#groups.values()) group.hidden = group.rows.length < 2;
    if (values.size > 0) setText(this.#empty, "");
    const first = [...this.#rows.keys()][0];
    if (this.#property === undefined && first !== undefined) void this.#draw(first, now);
    const charted = this.#property === undefined ? undefined : values.get(this.#property);
    if (charted !== undefined && this.#series !== undefined && isUsable(charted)) {
      append(this.#series, charted.phenomenonTime / 1000, charted.value);
      this.#chart?.show(this.#series, now);
      this.#summarise();
    }
    this.tick(now);
  }

  tick(now: number): void {
    for (const [property, { age, good, shown }] of this.#rows) {
      setText(age, ageText(shown.phenomenonTime, now));
      if (shown.lastGood === undefined) continue;
      const { value, phenomenonTime } = shown.lastGood;
      setText(good, `Last good ${quantityText(property, value, shown.unit)}, ${ageText(phenomenonTime, now)}`);
    }
    this.#card?.tick(now);
  }

  #build(entity: Entity, area: string | undefined): void {
    const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", this.#close);
    for (const [kind, title] of GROUPS) {
      const heading = element("th", { scope: "rowgroup", colspan: "2" }, title);
      this.#groups.set(kind, element("tbody", { "data-kind": kind }, element("tr", { class: "group" }, heading)));
    }
    this.#card = isArea(entity.type) ? new LiveabilityCard(entity.id) : undefined;
    this.#empty = element("p", { class: "note" });
    this.#figure = element("figure", { class: "day" });
    this.#figure.hidden = true;
    const heads = ["Property, freshness, quality and age", "Value"].map((name) => element("th", { scope: "col" }, name));
    this.#panel.replaceChildren(
      element(
        "header",
        {},
        element("h2", { id: "detail-name" }, entity.name),
        element("p", { class: "kind" }, typeName(entity.type) + (area === undefined ? "" : ` in ${area}`)),
        close,
      ),
      ...(this.#card === undefined ? [] : [this.#card.element]),
      this.#figure,
      element(
        "table",
        {},
        element("thead", { class: "unseen" }, element("tr", {}, ...heads)),
        ...this.#groups.values(),
      ),
      this.#empty,
      element("p", { class: "id" }, entity.id),
    );
  }

  #show(property: string, value: Value): void {
    let row = this.#rows.get(property);
    const isNew = row === undefined;
    row ??= this.#row(property, value);
    const before = row.shown;
    if (!isNew && before === value) return;
    row.shown = value;
    row.value.dataset["value"] = String(value.value);
    row.value.dataset["unit"] = value.unit;
    setText(row.value, quantityText(property, value.value, value.unit));
    row.row.dataset["freshness"] = value.freshness;
    row.row.dataset["quality"] = value.quality;
    row.quality.replaceChildren(
      freshnessSign(value.freshness),
      `${FRESHNESS_NAMES[value.freshness]}, `,
      element("span", { class: `badge badge-${value.quality}` }, value.quality),
    );
    row.good.hidden = value.lastGood === undefined;
    row.age.dateTime = new Date(value.phenomenonTime).toISOString();
    row.age.title = this.#clock(value.phenomenonTime);
    if (!isNew && before.value !== value.value) {
      // An animation restarts only after its class was removed.
      row.row.classList.remove("changed");
      void row.row.offsetWidth;
      row.row.classList.add("changed");
    }
  }

  #row(property: string, value: Value): Row {
    const button = element("button", { type: "button", "aria-pressed": "false" }, propertyName(property));
    button.title = "Show the last 24 hours";
    button.addEventListener("click", () => void this.#draw(property, Date.now()));
    const shown = element("span", { class: "value" });
    const quality = element("span", { class: "quality" });
    const age = element("time");
    const good = element("span", { class: "last-good" });
    const row = element(
      "tr",
      { "data-property": property },
      element("th", { scope: "row" }, button, element("span", { class: "condition" }, quality, age), good),
      element("td", {}, shown),
    );
    this.#groups.get(kindOf(property, this.#entity?.properties ?? []))!.append(row);
    const made: Row = { row, button, value: shown, quality, age, good, shown: value };
    this.#rows.set(property, made);
    return made;
  }

  async #draw(property: string, now: number): Promise<void> {
    const entity = this.#entity;
    const row = this.#rows.get(property);
    if (entity === undefined || row === undefined) return;
    this.#request?.abort();
    this.#chart?.destroy();
    this.#chart = undefined;
    this.#series = undefined;
    this.#property = property;
    const request = new AbortController();
    this.#request = request;
    for (const [name, one] of this.#rows) one.button.setAttribute("aria-pressed", String(name === property));
    const plot = element("div", { class: "plot", "aria-hidden": "true" });
    const reading = element("output", { "aria-hidden": "true" });
    const caption = element("figcaption", {}, `${propertyName(property)}, last 24 hours`, reading);
    const summary = element("p", { class: "summary", role: "status" }, "Fetching …");
    this.#figure.replaceChildren(caption, plot, summary);
    this.#figure.hidden = false;
    let series: Series;
    try {
      series = await fetchDay(entity.id, property, now, request.signal);
    } catch (error) {
      if (request.signal.aborted) return;
      setText(summary, `${sentenceOf(error)} Live values still follow.`);
      series = { times: [], values: [] };
      summary.classList.add("failed");
    }
    if (request.signal.aborted) return;
    if (isUsable(row.shown)) append(series, row.shown.phenomenonTime / 1000, row.shown.value);
    this.#series = series;
    this.#chart = new Chart(plot, property, row.shown.unit, this.#timezone, (text) => setText(reading, text));
    this.#chart.show(series, Date.now());
    this.#summarise();
  }

  /** Describes the chart in words. */
  #summarise(): void {
    const summary = this.#figure.querySelector(".summary");
    const row = this.#property === undefined ? undefined : this.#rows.get(this.#property);
    if (summary === null || row === undefined || summary.classList.contains("failed")) return;
    const values = this.#series!.values.filter((one) => one !== null);
    if (values.length === 0) {
      setText(summary, "No good value in the last 24 hours.");
      return;
    }
    const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
    const unit = quantityText("", NaN, row.shown.unit).replace("–", "");
    setText(
      summary,
      `Lowest ${numberText(Math.min(...values))}, mean ${numberText(mean)}, highest ${numberText(Math.max(...values))}${unit}`,
    );
    this.#figure.dataset["points"] = String(values.length);
  }

  #forget(): void {
    this.#request?.abort();
    this.#chart?.destroy();
    this.#card?.close();
    this.#card = undefined;
    this.#groups.clear();
    this.#rows.clear();
    this.#chart = undefined;
    this.#series = undefined;
    this.#property = undefined;
  }

  #clock(time: number): string {
    return new Intl.DateTimeFormat("en-GB", {
      dateStyle: "medium",
      timeStyle: "long",
      ...(this.#timezone === undefined ? {} : { timeZone: this.#timezone }),
    }).format(time);
  }
}

/** Whether a value is used in means, and so belongs in the chart of means. */
function isUsable(value: Value): boolean {
  return value.quality !== "suspect" && value.quality !== "maintenance";
}
