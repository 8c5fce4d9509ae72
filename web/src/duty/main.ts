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
// Names of values and the service worker come when the incident is there, or it is known that it does not come.
await incident.isDecided;
void displayTexts.fetch();
if (import.meta.env.PROD && "serviceWorker" in navigator)
  void navigator.serviceWorker.register("/duty-worker.js").catch((error: unknown) => console.warn(String(error)));
