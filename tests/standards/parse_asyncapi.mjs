// Prints what the parser of the AsyncAPI initiative finds in a document: node parse_asyncapi.mjs FILE
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
// 3 is a hint.
const faults = diagnostics.filter((each) => each.severity < 3 && each.code !== 'asyncapi-latest-version');
for (const { code, path, message } of faults) console.log(`${code} at ${path.join('.')}: ${message}`);
console.log(`AsyncAPI: ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
