/** The API key of whoever uses the page: kept for this tab alone, and sent with what needs it. */

const STORED = "livetwin-key";

let key = stored();

/** Returns the header that shows the key; none without one. */
export function authorization(): Record<string, string> {
  return key === "" ? {} : { Authorization: `Bearer ${key}` };
}

export function hasKey(): boolean {
  return key !== "";
}

/** Takes a key; "" forgets it. */
export function setKey(given: string): void {
  key = given.trim();
  try {
    if (key === "") sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, key);
  } catch {
    // A browser that stores nothing asks again after a reload.
  }
}

function stored(): string {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}
