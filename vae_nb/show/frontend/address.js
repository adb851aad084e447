// What is seen, as text for the end of a page's address, and back: z=0.1,-2&map=1&tab=Blend&…

const NUMBER = /^-?\d{1,9}(\.\d{1,9})?$/;

// Write a state as text.
export function textOf({ z, by, plane, tab, corners, blend, examples }, facts) {
  const parts = {
    z: z.map((value) => Number(value.toFixed(4))),
    map: facts.axes.indexOf(plane),
    tab: encodeURIComponent(tab),
    corners,
  };
  if (by === "blend") parts.blend = blend;
  if (examples.length) parts.examples = examples;
  return Object.entries(parts).map(([key, value]) => `${key}=${value}`).join("&");
}

// Read such a text. Returns the entries of the state that it tells, or null if it is none.
// tabs: the titles that there are.
export function stateIn(text, facts, tabs) {
  const parts = Object.fromEntries(text.split("&").map((part) => part.split("=")));
  const numbers = (key) => {
    const texts = (parts[key] ?? "").split(",");
    return texts.every((one) => NUMBER.test(one)) ? texts.map(Number) : [];
  };
  const tab = tabs.find((title) => encodeURIComponent(title) === parts.tab);
  const [z, [map], corners] = ["z", "map", "corners"].map(numbers);
  const blend = "blend" in parts ? numbers("blend") : [0, 0];
  const examples = "examples" in parts ? numbers("examples") : [];
  const isPicture = (index) => index in facts.names;
  const isLegal = z.length === facts.axes[0].names.length && map in facts.axes && tab
    && corners.length === 4 && corners.every(isPicture) && examples.every(isPicture)
    && blend.length === 2 && blend.every((value) => value >= 0 && value <= 1);
  if (!isLegal) return null;
  const by = "blend" in parts ? "blend" : null;
  return { z, by, plane: facts.axes[map], tab, corners, blend, examples };
}
