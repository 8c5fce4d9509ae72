import { catalogue } from "../language/catalogue";
import type { Severity } from "./alarm";

/** What every part of the page says of alarms; the list, the card and the record have sentences of their own. */
export const alarmSentences = catalogue({
  en: {
    alarms: "Alarms",
    noneShort: "none",
    count: (present: number, waiting: number) =>
      waiting === 0 ? String(present) : waiting === present ? `${waiting} new` : `${present}, ${waiting} new`,
    by: (name: string) => ` by ${name}`,
    news: (severity: string, sentence: string) => `${severity} alarm: ${sentence}`,
    more: (n: number) => ` And ${n} more.`,
    onMap: (name: string, severity: string) => `${name}: ${severity.toLowerCase()} alarm`,
    severities: { critical: "Critical", major: "Major", minor: "Minor", warning: "Warning" } as Readonly<Record<Severity, string>>,
    states: {
      normal: "Normal again",
      unacknowledged: "New",
      acknowledged: "Acknowledged",
      "returned-unacknowledged": "Returned to normal, not acknowledged",
      "latched-unacknowledged": "Over, kept until it is reset",
      "latched-acknowledged": "Over, kept until it is reset",
      shelved: "Shelved",
      "suppressed-by-design": "Suppressed",
      "out-of-service": "Out of service",
    } as Readonly<Record<string, string>>,
    until: (time: string) => ` until ${time}`,
    accepted: "The command was accepted; its outcome is not known yet.",
    theAlarm: "the alarm",
    theAlarms: "the alarms",
    itsEvents: "what happened",
    events: {} as Readonly<Record<string, string>>,
  },
  nl: {
    alarms: "Alarmen",
    noneShort: "geen",
    count: (present, waiting) =>
      waiting === 0 ? String(present) : waiting === present ? `${waiting} nieuw` : `${present}, ${waiting} nieuw`,
    by: (name) => ` door ${name}`,
    news: (severity, sentence) => `${severity} alarm: ${sentence}`,
    more: (n) => ` En nog ${n}.`,
    onMap: (name, severity) => `${name}: ${severity.toLowerCase()} alarm`,
    severities: { critical: "Kritiek", major: "Ernstig", minor: "Licht", warning: "Waarschuwend" },
    states: {
      normal: "Weer normaal",
      unacknowledged: "Nieuw",
      acknowledged: "Bevestigd",
      "returned-unacknowledged": "Weer normaal, niet bevestigd",
      "latched-unacknowledged": "Voorbij, blijft staan tot het is teruggezet",
      "latched-acknowledged": "Voorbij, blijft staan tot het is teruggezet",
      shelved: "Uitgesteld",
      "suppressed-by-design": "Onderdrukt",
      "out-of-service": "Buiten gebruik",
    },
    until: (time) => ` tot ${time}`,
    accepted: "De opdracht is aangenomen; de uitkomst is nog niet bekend.",
    theAlarm: "het alarm",
    theAlarms: "de alarmen",
    itsEvents: "wat er gebeurde",
    events: {
      raised: "begonnen",
      worsened: "erger geworden",
      eased: "minder ernstig geworden",
      returned: "weer normaal",
      retracted: "ingetrokken",
      reassessed: "opnieuw beoordeeld",
      withdrawn: "vervallen",
      acknowledged: "bevestigd",
      reset: "teruggezet",
      shelved: "uitgesteld",
      unshelved: "uitstel beëindigd",
      suppressed: "onderdrukt",
      unsuppressed: "niet meer onderdrukt",
      removed: "buiten gebruik gesteld",
      restored: "weer in gebruik genomen",
      assigned: "toegewezen",
      commented: "toegelicht",
    },
  },
});

export function severityName(severity: Severity): string {
  return alarmSentences().severities[severity];
}

/** Returns a state of ISA-18.2 in plain words. */
export function stateName(state: string): string {
  return alarmSentences().states[state] ?? state;
}

/** Returns what happened in a word: "acknowledged". */
export function eventName(kind: string): string {
  return alarmSentences().events[kind] ?? kind;
}
