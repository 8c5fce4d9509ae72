/** The API behind the page. */

import { LiveTwin } from "livetwin-client";
import { currentKey } from "./apiKey";

// Made when they are used: tests run without a page. A failed request is shown at once, and each panel asks again.
let open: LiveTwin | undefined;
let operator: LiveTwin | undefined;

/** Returns the API without a key: the open data. */
export function openTwin(): LiveTwin {
  return (open ??= new LiveTwin({ baseUrl: location.origin, retries: 0 }));
}

/** Returns the API with the key of the user, as far as there is one. */
export function operatorTwin(): LiveTwin {
  return (operator ??= new LiveTwin({ baseUrl: location.origin, apiKey: currentKey, retries: 0 }));
}
