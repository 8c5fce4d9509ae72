/** What the reader chose in the alarm list: it is in the address, and sets of filters have names in this browser. */

import { address, type Changes } from "../../app/address.svelte";
import { SEVERITIES } from "../alarm";
import { flood } from "../flood.svelte";
import { COLUMNS, GROUPINGS, STATES, type Choice, type Column, type Grouping } from "./arrange";

/** The names in the address that a saved filter has. */
const NAMES = ["alarms.priority", "alarms.state", "alarms.theme", "alarms.in", "alarms.q", "alarms.sort", "alarms.group"] as const;

const STORED = "livetwin-alarm-filters";
/** The largest number of saved filters. */
export const SAVED_MAX = 30;
const NAME_CHARACTERS_MAX = 60;

export type Saved = Readonly<Record<string, Changes>>;

class ListChoice {
  readonly sort = $derived.by(() => oneOf(COLUMNS, address.get("alarms.sort")?.replace(/^-/, "")));
  readonly descending = $derived(address.get("alarms.sort")?.startsWith("-") ?? false);
  readonly severities = $derived(setOf(SEVERITIES, address.get("alarms.priority")));
  readonly states = $derived(setOf(STATES, address.get("alarms.state")));
  readonly theme = $derived(address.get("alarms.theme"));
  readonly within = $derived(address.get("alarms.in"));
  /** The id of the incident that a link names. */
  readonly incident = $derived(address.get("incident"));
  readonly text = $derived(address.get("alarms.q") ?? "");
  /** What the reader chose; undefined: the page chooses. */
  readonly askedGrouping = $derived(oneOf(GROUPINGS, address.get("alarms.group")));
  /** In a flood by cause, unless the reader chose otherwise. */
  readonly grouping = $derived<Grouping>(this.askedGrouping ?? (flood.isShown ? "cause" : "incident"));
  readonly isFiltered = $derived(
    this.severities.size > 0 ||
      this.states.size > 0 ||
      this.theme !== undefined ||
      this.within !== undefined ||
      this.incident !== undefined ||
      this.text !== "",
  );
  saved = $state.raw<Saved>(stored());

  get choice(): Choice {
    const { sort, descending, grouping, severities, states, theme, within, incident, text } = this;
    return { sort, descending, grouping, severities, states, theme, within, incident, text };
  }

  /** Sorts by a column; the same one again turns the order round, and a third time it is by urgency again. */
  sortBy(column: Column): void {
    const sort = this.sort !== column ? column : this.descending ? undefined : `-${column}`;
    address.note({ "alarms.sort": sort });
  }

  toggle(name: "priority" | "state", value: string): void {
    const chosen = new Set<string>(name === "priority" ? this.severities : this.states);
    if (!chosen.delete(value)) chosen.add(value);
    // In the order of the list, whichever was pressed first.
    const all: readonly string[] = name === "priority" ? SEVERITIES : STATES;
    this.note(name, all.filter((one) => chosen.has(one)).join(","));
  }

  /** Sets one filter; "" removes it. */
  note(name: "priority" | "state" | "theme" | "in" | "q" | "group", value: string): void {
    address.note({ [`alarms.${name}`]: value === "" ? undefined : value });
  }

  clear(): void {
    address.note({ ...Object.fromEntries(NAMES.map((name) => [name, undefined])), incident: undefined });
  }

  /** Saves what is chosen under a name in this browser; the oldest one makes place. */
  save(name: string): void {
    const short = name.trim().slice(0, NAME_CHARACTERS_MAX);
    if (short === "") return;
    const others = Object.entries(this.saved).filter(([known]) => known !== short).slice(1 - SAVED_MAX);
    this.#keep(Object.fromEntries([...others, [short, Object.fromEntries(NAMES.map((one) => [one, address.get(one)]))]]));
  }

  use(name: string): void {
    const chosen = this.saved[name];
    if (chosen === undefined) return;
    address.go({ ...Object.fromEntries(NAMES.map((one) => [one, undefined])), ...chosen });
  }

  forget(name: string): void {
    this.#keep(Object.fromEntries(Object.entries(this.saved).filter(([known]) => known !== name)));
  }

  #keep(saved: Saved): void {
    this.saved = saved;
    try {
      localStorage.setItem(STORED, JSON.stringify(saved));
    } catch {
      // Without storage they hold for this visit.
    }
  }
}

export const listChoice = new ListChoice();

function oneOf<T extends string>(all: readonly T[], text: string | undefined): T | undefined {
  return all.find((one) => one === text);
}

function setOf<T extends string>(all: readonly T[], text: string | undefined): ReadonlySet<T> {
  const given = (text ?? "").split(",");
  return new Set(all.filter((one) => given.includes(one)));
}

/** Only names of this module go into the address, whatever the browser has stored. */
function stored(): Saved {
  try {
    const all: unknown = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    if (typeof all !== "object" || all === null) return {};
    return Object.fromEntries(
      Object.entries(all).slice(-SAVED_MAX).map(([name, values]) => [
        name,
        Object.fromEntries(
          NAMES.flatMap((one) => {
            const value = (values as Record<string, unknown> | null)?.[one];
            return typeof value === "string" ? [[one, value]] : [];
          }),
        ),
      ]),
    );
  } catch {
    return {};
  }
}
