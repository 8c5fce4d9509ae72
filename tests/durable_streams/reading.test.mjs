// The conformance tests of the protocol against the server at STREAMS_URL; vitest chooses among them by name.

import { runConformanceTests } from '@durable-streams/server-conformance-tests';

runConformanceTests({ baseUrl: process.env.STREAMS_URL, longPollTimeoutMs: 10_000 });
