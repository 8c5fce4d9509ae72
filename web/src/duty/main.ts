/** The duty page: the incident of a link on a phone, in few bytes. It has neither the map nor the frame of the operations room. */

import "../design/tokens.css";
import "../design/base.css";
import { mount } from "svelte";
import { clock } from "../live/clock.svelte";
import DutyPage from "./DutyPage.svelte";
import { displayTexts } from "./displayTexts.svelte";
import { incident } from "./incident.svelte";

clock.begin();
incident.begin();
mount(DutyPage, { target: document.getElementById("duty")! });
void displayTexts.fetch();
// The service worker comes after the page: it fetches the same files again for the next time.
if (import.meta.env.PROD && "serviceWorker" in navigator)
  addEventListener("load", () => void navigator.serviceWorker.register("/duty-worker.js").catch((error: unknown) => console.warn(String(error))));
