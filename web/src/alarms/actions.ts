/** Which actions an alarm is open to, by its state of ISA-18.2. */

import { isAside, waits, type Alarm } from "./alarm";
import type { AlarmAction } from "./alarmApi";

export function canBe(alarm: Alarm, action: AlarmAction): boolean {
  const isLatched = alarm.state.startsWith("latched");
  switch (action) {
    case "acknowledge":
      return waits(alarm);
    case "shelve":
      return !isAside(alarm) && !isLatched;
    case "unshelve":
      return alarm.state === "shelved";
    case "reset":
      return isLatched;
    case "restore":
      return alarm.state === "out-of-service";
    case "assign":
    case "comment":
      return true;
  }
}
