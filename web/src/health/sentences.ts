import { catalogue } from "../language/catalogue";

export const healthSentences = catalogue({
  en: {
    title: "Data health",
    fetching: "Fetching …",
    theLedger: "the ledger",
    theQuarantine: "the quarantine",
    theDevices: "the unknown devices",
    balances: "The ledger balances",
    doesNotBalance: "The ledger does not balance",
    counts: (received: string, used: string, quarantined: string) =>
      `${received} messages received, ${used} used, ${quarantined} quarantined`,
    equations: "The ledger's equations",
    quarantineEmpty: "The quarantine is empty",
    newest: (reason: string) => `Newest in quarantine: ${reason}`,
    noDevices: "no unknown devices",
    devices: (n: string, one: boolean) => (one ? "1 unknown device" : `${n} unknown devices`),
  },
  nl: {
    title: "Gezondheid van de gegevens",
    fetching: "Ophalen …",
    theLedger: "het grootboek",
    theQuarantine: "de quarantaine",
    theDevices: "de onbekende apparaten",
    balances: "Het grootboek klopt",
    doesNotBalance: "Het grootboek klopt niet",
    counts: (received, used, quarantined) =>
      `${received} berichten ontvangen, ${used} gebruikt, ${quarantined} in quarantaine`,
    equations: "De vergelijkingen van het grootboek",
    quarantineEmpty: "De quarantaine is leeg",
    newest: (reason) => `Nieuwste in quarantaine: ${reason}`,
    noDevices: "geen onbekende apparaten",
    devices: (n, one) => (one ? "1 onbekend apparaat" : `${n} onbekende apparaten`),
  },
});
