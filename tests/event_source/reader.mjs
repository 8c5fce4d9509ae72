// Follows the live stream as a page does, and prints each event, named or not, as a line of JSON.
// node reader.mjs URL

import { EventSource } from 'eventsource';

const source = new EventSource(process.argv[2]);
const print = ({ type, lastEventId, data }) => console.log(JSON.stringify({ type, id: lastEventId, data }));
for (const type of ['message', 'snapshot', 'state', 'alarm', 'gap']) {
  source.addEventListener(type, print);
}
