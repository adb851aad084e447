// The training pictures, as tiles of one picture.

// Read the tiles. bytes: a PNG; the result draws the tile of an index on a canvas' context.
export async function loadThumbnails(bytes, { tile: [height, width], columns }) {
  const sheet = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const longer = Math.max(width, height);
  return {
    // Into a square around (x, y) whose side is `size`.
    draw(context, index, x, y, size) {
      const left = (index % columns) * width;
      const top = Math.floor(index / columns) * height;
      const [w, h] = [(size * width) / longer, (size * height) / longer];
      context.drawImage(sheet, left, top, width, height, x - w / 2, y - h / 2, w, h);
    },
    // A canvas with one tile, of a class; `show` changes the tile.
    view(className) {
      const canvas = document.createElement("canvas");
      canvas.className = className;
      canvas.width = canvas.height = longer;
      canvas.setAttribute("aria-hidden", "true"); // its name stands beside it
      const show = (index) => {
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, longer, longer);
        this.draw(context, index, longer / 2, longer / 2, longer);
      };
      return { canvas, show };
    },
  };
}
