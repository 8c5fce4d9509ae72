// Follows a Durable Stream with the client of the protocol's authors, and prints each batch as a line of JSON.
// node reader.mjs URL OFFSET long-poll|sse

import { stream } from '@durable-streams/client';

const [url, offset, live] = process.argv.slice(2);
const response = await stream({ url, offset, live, json: true, warnOnHttp: false });
response.subscribeJson(({ items, offset, upToDate }) => {
  console.log(JSON.stringify({ items, offset, upToDate }));
});
await response.closed;
