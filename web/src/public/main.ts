/** The public page: open data without a key, in plain language. It stores nothing in the browser. */

import "../design/tokens.css";
import "../design/components.css";
import "../design/base.css";
import "./print.css";
import { mount } from "svelte";
import { address } from "../app/address.svelte";
import { fetchSettings, NO_SETTINGS } from "../app/settings";
import { setDisplayTexts } from "../entities/quantity";
import { sentenceOf } from "../http/problem";
import { language, languageOf } from "../language/language.svelte";
import { clock } from "../live/clock.svelte";
import { live } from "../live/live.svelte";
import { city } from "./city.svelte";
import PublicPage from "./PublicPage.svelte";

address.begin();
clock.begin();
live.begin();
const [settings] = await Promise.all([
  fetchSettings().catch((error: unknown) => {
    // The page works without its settings, with plainer names.
    console.warn(sentenceOf(error));
    return NO_SETTINGS;
  }),
  city.fetch(),
]);
// The link's, else the city's first: what a reader chooses is in the address, not in the browser.
const wishes = [address.get("lang"), city.shown?.languages[0], settings.language, navigator.language];
language.current = wishes.map(languageOf).find((one) => one !== undefined) ?? "nl";
language.timezone = settings.timezone;
setDisplayTexts(settings.texts);
const theme = city.shown?._links.theme?.href ?? settings.theme;
if (theme !== undefined) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = theme;
  document.head.append(link);
}
mount(PublicPage, { target: document.getElementById("openbaar")!, props: { settings } });
