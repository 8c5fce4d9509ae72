import { catalogue } from "../language/catalogue";

export const mapSentences = catalogue({
  en: { map: "Map of the city", loading: "The map is coming …" },
  nl: { map: "Kaart van de stad", loading: "De kaart komt …" },
});
