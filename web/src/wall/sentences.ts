import { catalogue } from "../language/catalogue";

export const wallSentences = catalogue({
  en: {
    wall: "Wall",
    worst: "Worst alarms",
    none: "No alarms.",
    more: (n: number) => `And ${n} more.`,
    waiting: "wait",
    present: "alarms",
    places: "Places",
    leave: "Leave the wall",
    notLive: (since: string) => `NOT LIVE since ${since}`,
  },
  nl: {
    wall: "Wand",
    worst: "Ergste alarmen",
    none: "Geen alarmen.",
    more: (n) => `En nog ${n}.`,
    waiting: "wachten",
    present: "alarmen",
    places: "Plekken",
    leave: "Wand verlaten",
    notLive: (since) => `NIET LIVE sinds ${since}`,
  },
});
