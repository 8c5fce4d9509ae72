/** The API behind the page. */

import { LiveTwin } from "livetwin-client";
import { session } from "../session/session.svelte";

// Made when they are used: tests run without a page. A failed request is shown at once, and each panel asks again.
let open: LiveTwin | undefined;
let own: LiveTwin | undefined;

/** Returns the API without a key: the open data. */
export function openTwin(): LiveTwin {
  return (open ??= new LiveTwin({ baseUrl: location.origin, retries: 0 }));
}

/** Returns the API with the key of the reader, as far as there is one. */
export function ownTwin(): LiveTwin {
  return (own ??= new LiveTwin({ baseUrl: location.origin, apiKey: () => session.key, retries: 0 }));
}
