import { catalogue } from "../language/catalogue";

export const sessionSentences = catalogue({
  en: {
    signIn: "Sign in",
    signOut: "Sign out",
    signedInAs: (name: string) => `Signed in as ${name}`,
    signedIn: "Signed in",
    key: "API key",
    hint: "For staff: with a key you can acknowledge, shelve and comment. It stays in this tab.",
    use: "Sign in with this key",
    checking: "Checking …",
    refused: "The server does not know this key. Check it, or ask for a new one.",
    unchecked: "The key could not be checked: the server does not answer. Try again.",
    roles: {
      viewer: "viewer",
      operator: "operator",
      duty: "duty manager",
      admin: "administrator",
      metering: "metering",
    } as Readonly<Record<string, string>>,
    within: (areas: string) => `in ${areas}`,
  },
  nl: {
    signIn: "Inloggen",
    signOut: "Uitloggen",
    signedInAs: (name) => `Ingelogd als ${name}`,
    signedIn: "Ingelogd",
    key: "API-sleutel",
    hint: "Voor medewerkers: met een sleutel kunt u bevestigen, uitstellen en toelichten. Hij blijft in dit tabblad.",
    use: "Inloggen met deze sleutel",
    checking: "Controleren …",
    refused: "De server kent deze sleutel niet. Controleer hem, of vraag een nieuwe.",
    unchecked: "De sleutel kon niet worden gecontroleerd: de server antwoordt niet. Probeer het opnieuw.",
    roles: {
      viewer: "lezer",
      operator: "operator",
      duty: "piketbeheerder",
      admin: "beheerder",
      metering: "metingen van huishoudens",
    },
    within: (areas) => `in ${areas}`,
  },
});
