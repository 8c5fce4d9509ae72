/** The page: fetches its settings, chooses the language, and draws the frame. */

import "./design/tokens.css";
import "./design/components.css";
import "./design/base.css";
import { mount } from "svelte";
import App from "./app/App.svelte";
import { address } from "./app/address.svelte";
import { fetchSettings, NO_SETTINGS } from "./app/settings";
import { setDisplayTexts } from "./entities/quantity";
import { sentenceOf } from "./http/problem";
import { language } from "./language/language.svelte";
import { clock } from "./live/clock.svelte";
import { live } from "./live/live.svelte";
import { takeAnswer } from "./session/openid";
import { session } from "./session/session.svelte";

// Before the address is read: it is then again the one that the reader left.
const answer = takeAnswer();
address.begin();
clock.begin();
// Before the settings: the list waits for the model.
live.begin();
const settings = await fetchSettings().catch((error: unknown) => {
  // The page works without its settings: the model has the name of the city, and tiles are optional.
  console.warn(sentenceOf(error));
  return NO_SETTINGS;
});
language.begin(address.get("lang"), settings.language);
language.timezone = settings.timezone;
setDisplayTexts(settings.texts);
session.issuers = settings.signIn;
void session.begin(answer);
if (settings.theme !== undefined) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = settings.theme;
  document.head.append(link);
}
mount(App, { target: document.getElementById("page")!, props: { settings } });
