// A subscriber of everything with the TypeScript client; its output is that of live_subscriber.py.
// node live_subscriber.mjs CLIENT URL CURSOR: CLIENT is the compiled client's index.js.

import { writeSync } from "node:fs";

const [client, baseUrl, cursor] = process.argv.slice(2);
const { LiveTwin } = await import(client);
for await (const { event, id, data } of new LiveTwin({ baseUrl }).live(cursor === "" ? {} : { cursor })) {
  writeSync(1, `${JSON.stringify({ cursor: id, events: [{ event, data }] })}\n`);
}
