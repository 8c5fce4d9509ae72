/** The overview: connection, last event, counts by freshness and the switches of the themes. */

import { ageText } from "./age";
import { byId, element, freshnessSign, setText } from "./element";
import { FRESHNESSES, FRESHNESS_NAMES } from "../entities/freshness";
import type { Connection } from "../http/eventStream";
import { THEMES, THEME_NAMES, type Theme } from "../map/theme";
import type { Counts } from "../entities/liveState";

const CONNECTION_NAMES: Readonly<Record<Connection, string>> = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Connection lost, reconnecting",
};

export class Overview {
  readonly #off = new Set<Theme>();
  readonly #counts = new Map<string, HTMLElement>();
  readonly #themes = new Map<Theme, { row: HTMLElement; count: HTMLElement }>();
  #lastEvent: number | undefined;

  /** `filter` is called when a theme is switched on or off. */
  constructor(filter: () => void) {
    for (const freshness of FRESHNESSES) {
      const count = element("dd", { "data-testid": `count-${freshness}` }, "0");
      byId("counts").append(
        element(
          "div",
          {},
          element("dt", {}, freshnessSign(freshness), FRESHNESS_NAMES[freshness]),
          count,
          // How lines and the outlines of areas are drawn.
          element("dd", { class: `stroke stroke-${freshness}`, "aria-hidden": "true" }),
        ),
      );
      this.#counts.set(freshness, count);
    }
    const explore = byId("explore");
    explore.addEventListener("click", () => this.explore(explore.getAttribute("aria-expanded") !== "true"));
    for (const theme of THEMES) this.#themes.set(theme, this.#switch(theme, filter));
  }

  isOn(theme: Theme): boolean {
    return !this.#off.has(theme);
  }

  /** Expands or collapses themes and entities; only a small screen collapses them. */
  explore(unfolded: boolean): void {
    byId("explore").setAttribute("aria-expanded", String(unfolded));
  }

  city(name: string): void {
    setText(byId("city"), name);
    document.title = `${name} · LiveTwin`;
  }

  connection(state: Connection): void {
    document.body.dataset["connection"] = state;
    setText(byId("connection"), CONNECTION_NAMES[state]);
  }

  /** Shows the time at which the newest event arrived, in epoch milliseconds. */
  event(now: number): void {
    this.#lastEvent = now;
  }

  tick(now: number): void {
    if (this.#lastEvent === undefined) return;
    const time = byId("last-event");
    setText(time, ageText(this.#lastEvent, now));
    time.setAttribute("datetime", new Date(this.#lastEvent).toISOString());
  }

  counts(counts: Counts, byTheme: ReadonlyMap<Theme, number>): void {
    for (const freshness of FRESHNESSES) setText(this.#counts.get(freshness)!, String(counts[freshness]));
    for (const [theme, { row, count }] of this.#themes) {
      const entities = byTheme.get(theme) ?? 0;
      row.hidden = entities === 0;
      setText(count, String(entities));
    }
  }

  /** Shows a sentence about a failed request; undefined hides it. */
  problem(sentence: string | undefined): void {
    const shown = byId("problem");
    setText(shown, sentence ?? "");
    shown.hidden = sentence === undefined;
  }

  #switch(theme: Theme, filter: () => void): { row: HTMLElement; count: HTMLElement } {
    const box = element("input", { type: "checkbox", id: `theme-${theme}`, "data-theme": theme });
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) this.#off.delete(theme);
      else this.#off.add(theme);
      filter();
    });
    const count = element("span", { class: "count" }, "0");
    const row = element(
      "label",
      { class: `theme theme-${theme}` },
      box,
      freshnessSign("live"),
      THEME_NAMES[theme],
      count,
    );
    byId("themes").append(row);
    return { row, count };
  }
}
