/** The language of the page, and the zone of its times. */

export const LANGUAGES = ["nl", "en"] as const;

export type Language = (typeof LANGUAGES)[number];

/** A text of the server in both languages. */
export type Bilingual = Readonly<Record<Language, string>>;

const STORED = "livetwin-language";

class LanguageStore {
  /** What the page is in now. */
  current = $state<Language>("en");
  /** IANA name: times are those of the city's clocks. Undefined: those of the browser. */
  timezone = $state<string>();
  /** The locale of numbers and times. */
  readonly locale = $derived(this.current === "nl" ? "nl-NL" : "en-GB");

  /**
   * Chooses what to begin with: `asked` by the address, else what the reader chose before, else the language of the
   * city, else that of the browser.
   */
  begin(asked: string | undefined, city: string | undefined): void {
    const wishes = [asked, stored(), city, navigator.language];
    this.current = wishes.map(languageOf).find((one) => one !== undefined) ?? "en";
  }

  /** The reader chooses a language; the browser remembers it. */
  choose(language: Language): void {
    this.current = language;
    try {
      localStorage.setItem(STORED, language);
    } catch {
      // Without storage it holds for this visit.
    }
  }
}

export const language = new LanguageStore();

/** Returns the text in the language of the page. */
export function inLanguage(text: Bilingual): string {
  return text[language.current];
}

/** Returns the language of a tag such as "nl-BE"; undefined for one that the page does not have. */
export function languageOf(tag: string | undefined): Language | undefined {
  return LANGUAGES.find((one) => tag?.toLowerCase().split("-")[0] === one);
}

function stored(): string | undefined {
  try {
    return localStorage.getItem(STORED) ?? undefined;
  } catch {
    return undefined;
  }
}
