/** The finder: the searchable list of entities, usable with the keyboard. */

import { byId, element, freshnessSign, setText } from "../page/element";
import { typeName } from "./entity";
import { FRESHNESS_NAMES } from "./freshness";
import type { Appearance } from "../map/cityMap";
import { propertyName, quantityText } from "./quantity";
import { THEME_NAMES } from "../map/theme";
import type { Value } from "./liveState";

/** The largest number of rows in the document; a search narrows the list. */
const ROWS_MAX = 150;

interface Row {
  readonly item: HTMLLIElement;
  readonly button: HTMLButtonElement;
  readonly value: HTMLElement;
  readonly property: HTMLElement;
}

export class Finder {
  readonly #choose: (entityId: string) => void;
  readonly #search = byId<HTMLInputElement>("search");
  readonly #rows = new Map<string, Row>();
  #appearances: readonly Appearance[] = [];
  #chosen: string | undefined;

  constructor(choose: (entityId: string) => void) {
    this.#choose = choose;
    this.#search.addEventListener("input", () => this.#list());
    byId("entities").addEventListener("keydown", (event) => this.#move(event));
    this.#search.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Lists the entities; called when their appearance changed, not for each value. */
  show(appearances: readonly Appearance[]): void {
    this.#appearances = [...appearances].sort(
      // Entities without sensors come last.
      (one, other) =>
        Number(one.freshness === undefined) - Number(other.freshness === undefined) ||
        one.entity.name.localeCompare(other.entity.name),
    );
    this.#list();
  }

  /** Shows the leading value of an entity, where it is listed. */
  update(entityId: string, leading: readonly [string, Value] | undefined): void {
    const row = this.#rows.get(entityId);
    if (row === undefined || leading === undefined) return;
    const [property, { value, unit }] = leading;
    setText(row.value, quantityText(property, value, unit));
    setText(row.property, propertyName(property));
  }

  choose(entityId: string | undefined): void {
    this.#mark(this.#chosen, false);
    this.#chosen = entityId;
    this.#mark(entityId, true);
  }

  /** Returns the ids of the entities in the list. */
  listed(): Iterable<string> {
    return this.#rows.keys();
  }

  #list(): void {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.#appearances.filter((one) => {
      const text = textOf(one);
      return words.every((word) => text.includes(word));
    });
    const shown = found.slice(0, ROWS_MAX);
    const items = shown.map((one) => this.#row(one));
    const ids = new Set(shown.map((one) => one.entity.id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#rows.delete(id);
    const list = byId("entities");
    // Replacing unchanged rows would remove the focus from them.
    if (items.length !== list.children.length || items.some((item, index) => list.children[index] !== item))
      list.replaceChildren(...items);
    const of = found.length > shown.length ? `, the first ${shown.length} shown` : "";
    setText(byId("found"), `${found.length} ${found.length === 1 ? "entity" : "entities"}${of}`);
    byId("found").dataset["count"] = String(found.length);
  }

  #row(appearance: Appearance): HTMLLIElement {
    const { entity, theme, freshness } = appearance;
    let row = this.#rows.get(entity.id);
    if (row === undefined) {
      const value = element("span", { class: "value" });
      const button = element("button", { type: "button", "data-row": entity.id });
      button.addEventListener("click", () => this.#choose(entity.id));
      row = { item: element("li", {}, button), button, value, property: element("span", { class: "kind" }) };
      this.#rows.set(entity.id, row);
      if (entity.id === this.#chosen) this.#mark(entity.id, true);
    }
    const look = `${theme ?? ""} ${freshness ?? ""}`;
    if (row.button.dataset["look"] !== look) {
      row.button.dataset["look"] = look;
      row.button.className = theme === undefined ? "" : `theme-${theme}`;
      const word = freshness === undefined ? "No sensor" : FRESHNESS_NAMES[freshness];
      row.button.replaceChildren(
        freshnessSign(freshness ?? "none"),
        element(
          "span",
          { class: "what" },
          element("span", { class: "name" }, entity.name),
          element("span", { class: "kind" }, `${typeName(entity.type)} · ${word}`),
        ),
        element("span", { class: "leading" }, row.value, row.property),
      );
    }
    return row.item;
  }

  #mark(entityId: string | undefined, chosen: boolean): void {
    const button = entityId === undefined ? undefined : this.#rows.get(entityId)?.button;
    if (chosen) button?.setAttribute("aria-current", "true");
    else button?.removeAttribute("aria-current");
  }

  #move(event: KeyboardEvent): void {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const buttons = [...byId("entities").querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    if (next < 0) this.#search.focus();
    else buttons[next]?.focus();
  }
}

function textOf({ entity, freshness }: Appearance): string {
  const themes = entity.themes.map((theme) => THEME_NAMES[theme]).join(" ");
  return `${entity.name} ${entity.id} ${typeName(entity.type)} ${themes} ${freshness ?? ""}`.toLowerCase();
}
