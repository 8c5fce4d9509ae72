/** The page where a phone is subscribed to messages. It is not part of the duty page, which must come fast. */

import "../design/tokens.css";
import "../design/components.css";
import "../design/base.css";
import { mount } from "svelte";
import { language } from "../language/language.svelte";
import MessagesPage from "./MessagesPage.svelte";

const asked = new URLSearchParams(location.search);
language.begin(asked.get("lang") ?? undefined, undefined);
if (import.meta.env.PROD && "serviceWorker" in navigator)
  void navigator.serviceWorker.register("/duty-worker.js").catch((error: unknown) => console.warn(String(error)));
mount(MessagesPage, { target: document.getElementById("messages")!, props: { contact: asked.get("contact") ?? undefined } });
