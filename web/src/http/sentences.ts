import { catalogue } from "../language/catalogue";

export const httpSentences = catalogue({
  en: {
    fetchFailed: (what: string, why: string) => `Fetching ${what} failed: ${why}.`,
    actFailed: (why: string) => `This was not done: ${why}.`,
    noAnswer: "the server does not answer",
    answered: (status: number) => `the server answered ${status}`,
    reasons: {
      401: "an API key is required",
      403: "access is denied",
      404: "the server does not have it",
      412: "somebody else changed it in the meantime",
      503: "the service is unavailable",
    } as Readonly<Record<number, string>>,
  },
  nl: {
    fetchFailed: (what, why) => `Ophalen van ${what} is mislukt: ${why}.`,
    actFailed: (why) => `Dit is niet gedaan: ${why}.`,
    noAnswer: "de server antwoordt niet",
    answered: (status) => `de server antwoordde ${status}`,
    reasons: {
      401: "een API-sleutel is nodig",
      403: "geen toegang",
      404: "de server heeft dit niet",
      412: "iemand anders heeft het intussen gewijzigd",
      503: "de dienst is niet beschikbaar",
    },
  },
});
