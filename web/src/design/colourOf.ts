/** Returns a colour of the design tokens as a canvas knows it: `light-dark()` is resolved for the element. "" without the token. */
export function colourOf(element: HTMLElement, token: string): string {
  const { style } = element;
  if (getComputedStyle(element).getPropertyValue(token) === "") return "";
  style.outlineColor = `var(${token})`;
  const colour = getComputedStyle(element).outlineColor;
  style.outlineColor = "";
  return colour;
}
