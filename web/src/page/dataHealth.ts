/** Data health: whether all received messages are accounted for, and what is in quarantine. */

import { byId, element, setText } from "./element";
import type { Answer } from "livetwin-client";
import { fetched, sentenceOf } from "../http/problem";
import { openTwin } from "../http/twin";

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
      const twin = openTwin();
      const [ledger, waiting, unassigned] = await Promise.all([
        fetched("The ledger", twin.get("/v1/ledger", { limit: 1 })),
        fetched("The quarantine", twin.get("/v1/quarantine", { limit: 1, resolved: false })),
        fetched("The unknown devices", twin.get("/v1/unassigned-devices", { limit: 500 })),
      ]);
      this.#show(ledger, waiting.items[0]?.reason, unassigned.items.length);
    } catch (error) {
      setText(this.#balance, sentenceOf(error));
      delete this.#panel.dataset["balanced"];
    }
  }

  #show(ledger: Answer<"/v1/ledger">, reason: string | undefined, devices: number): void {
    this.#panel.dataset["balanced"] = String(ledger.balanced);
    const { received, accepted, quarantined } = ledger.balance;
    const counts = `${count(received)} messages received, ${count(accepted)} used, ${count(quarantined)} quarantined`;
    setText(this.#balance, `${ledger.balanced ? "The ledger balances" : "The ledger does not balance"}: ${counts}.`);
    this.#equations.replaceChildren(...ledger.balance.equations.map((one) => element("li", {}, one)));
    const last = reason === undefined ? "The quarantine is empty" : `Newest in quarantine: ${reason}`;
    const unknown = devices === 0 ? "no unknown devices" : `${devices} unknown device${devices === 1 ? "" : "s"}`;
    setText(this.#waiting, `${last}; ${unknown}.`);
  }
}

function count(value: number): string {
  return FORMAT.format(value);
}
