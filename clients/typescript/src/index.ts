/** Client of LiveTwin: the live events of a city, and its API with types. */

export { LiveTwin, type GetOptions, type LiveTwinOptions, type PostAnswer, type PostOptions } from "./liveTwin.js";
export type { Connection, LiveEvent, LiveOptions, LiveQuery } from "./liveStream.js";
export { LocalStorageCursorStore, MemoryCursorStore, type CursorStore } from "./cursorStore.js";
export { ConnectionError, LiveTwinError, ProblemError, UnexpectedAnswerError, type Problem } from "./errors.js";
export { SseParser, type SseMessage } from "./sseParser.js";
export type { Timers } from "./waiting.js";
export type {
  Answer,
  GetAddress,
  HistoryQuery,
  Item,
  ItemAddress,
  PageAddress,
  Parameters,
  PostAddress,
  RequestBody,
  Schemas,
} from "./operations.js";
export type { components, operations, paths } from "./openapi.js";
