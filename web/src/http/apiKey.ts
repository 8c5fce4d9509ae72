/** The API key of the user: stored for this tab only, and sent with requests that need it. */

const STORED = "livetwin-key";

let key = stored();

/** Returns the key; "" without one. */
export function currentKey(): string {
  return key;
}

export function hasKey(): boolean {
  return key !== "";
}

/** Stores a key; "" removes it. */
export function setKey(given: string): void {
  key = given.trim();
  try {
    if (key === "") sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, key);
  } catch {
    // In a browser without storage the user enters the key again after a reload.
  }
}

function stored(): string {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}
