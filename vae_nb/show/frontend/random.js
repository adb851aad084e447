// Random vectors, and the vector as code.
import { create, createButton } from "./elements.js";
import { fittedDraw, nearestCode, normalDraws } from "./latent.js";

// seed: makes the same draws each time, unless it is null. Returns {element, show}.
export function createRandom({ facts, codes, moveTo }, seed) {
  const normal = normalDraws(seed);
  const latent = facts.axes[0].names.length;

  function draw(z) {
    const { index } = nearestCode(z, codes);
    moveTo(z, { message: `Drawn. The nearest training picture is ${facts.names[index]}.` });
  }

  const code = document.createElement("input");
  code.readOnly = true;
  code.setAttribute("aria-label", "The latent vector as code");
  code.addEventListener("focus", () => code.select());
  return {
    element: create(
      "div", "",
      createButton("Draw from the prior", () => draw(normal(latent))),
      create("p", "vae-nb-quiet", "Any vector, as the loss wishes them: N(0, I)."),
      createButton("Draw from the fitted density", () =>
        draw(fittedDraw(normal(latent), facts.fitted))),
      create("p", "vae-nb-quiet", "One Gaussian, fitted to the codes that the encoder really uses."),
      create("label", "vae-nb-code", "z, to copy", code)),
    show({ z }) {
      code.value = `z = np.array([${z.map((value) => Number(value.toFixed(4))).join(", ")}])`;
    },
  };
}
