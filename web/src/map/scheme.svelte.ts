/** Whether the screen is light or dark, as the reader's system has it. */

import { MediaQuery } from "svelte/reactivity";
import type { Scheme } from "./mapColours";

const dark = new MediaQuery("(prefers-color-scheme: dark)");

export const scheme = {
  get current(): Scheme {
    return dark.current ? "dark" : "light";
  },
};
