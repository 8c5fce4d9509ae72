/** Data health: whether all received messages are accounted for, and what is in quarantine. */

import { byId, element, setText } from "./element";
import { fetchJson, sentenceOf } from "../http/problem";

interface Ledger {
  readonly balanced: boolean;
  readonly balance: Readonly<Record<string, number>> & { readonly equations: readonly string[] };
}

interface Items {
  readonly items: readonly Record<string, unknown>[];
}

/** Time between two requests, while the panel is open and the page is visible. */
const REFRESH_MS = 30_000;

const FORMAT = new Intl.NumberFormat("en");

export class DataHealth {
  readonly #panel = byId<HTMLDetailsElement>("health");
  readonly #balance = byId("balance");
  readonly #waiting = byId("quarantine");
  readonly #equations = byId("equations");

  constructor() {
    this.#panel.addEventListener("toggle", () => void this.#fetch());
    setInterval(() => void this.#fetch(), REFRESH_MS);
  }

  async #fetch(): Promise<void> {
    if (!this.#panel.open || document.hidden) return;
    try {
      const [ledger, waiting, unassigned] = (await Promise.all([
        fetchJson("The ledger", "/v1/ledger?limit=1"),
        fetchJson("The quarantine", "/v1/quarantine?limit=1&resolved=false"),
        fetchJson("The unknown devices", "/v1/unassigned-devices?limit=500"),
      ])) as [Ledger, Items, Items];
      this.#show(ledger, waiting, unassigned);
    } catch (error) {
      setText(this.#balance, sentenceOf(error));
      delete this.#panel.dataset["balanced"];
    }
  }

  #show(ledger: Ledger, waiting: Items, unassigned: Items): void {
    this.#panel.dataset["balanced"] = String(ledger.balanced);
    const { received, accepted, quarantined } = ledger.balance;
    const counts = `${count(received)} messages received, ${count(accepted)} used, ${count(quarantined)} quarantined`;
    setText(this.#balance, `${ledger.balanced ? "The ledger balances" : "The ledger does not balance"}: ${counts}.`);
    this.#equations.replaceChildren(...ledger.balance.equations.map((one) => element("li", {}, one)));
    const newest = waiting.items[0];
    const last = newest === undefined ? "The quarantine is empty" : `Newest in quarantine: ${newest["reason"]}`;
    const devices = unassigned.items.length;
    const unknown = devices === 0 ? "no unknown devices" : `${devices} unknown device${devices === 1 ? "" : "s"}`;
    setText(this.#waiting, `${last}; ${unknown}.`);
  }
}

function count(value: number | undefined): string {
  return FORMAT.format(value ?? 0);
}
