// Pictures on canvases. An image is a list of numbers in [0, 1], (height * width * channels), and a
// shape is [height, width, channels].

// A canvas with one pixel for each of an image. A screen reader hears a name, if there is one.
export function createImage(className, [height, width], name) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { className, width, height });
  if (name) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", name);
  }
  return canvas;
}

// Draw an image on a canvas of its size.
export function paint(canvas, image, [height, width, channels]) {
  const rgba = new ImageData(width, height);
  rgba.data.fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let k = 0; k < 3; k++) { // gray in all three
      rgba.data[4 * i + k] = 255 * image[i * channels + (channels === 3 ? k : 0)];
    }
  }
  canvas.getContext("2d").putImageData(rgba, 0, 0);
}

// The image on a canvas of its size.
export function imageOn(canvas, [height, width, channels]) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height); // with opacity
  return Float32Array.from({ length: height * width * channels }, (_, index) => {
    const start = 4 * Math.floor(index / channels);
    if (channels === 3) return data[start + (index % 3)] / 255;
    return (0.299 * data[start] + 0.587 * data[start + 1] + 0.114 * data[start + 2]) / 255;
  });
}

export function fillWhite(canvas) {
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
}

// Draw the picture in a file on a canvas: whole, in the middle, on white.
export async function paintFile(canvas, file) {
  const picture = await createImageBitmap(file);
  const { width, height } = canvas;
  const scale = Math.min(width / picture.width, height / picture.height);
  const [w, h] = [picture.width * scale, picture.height * scale];
  const context = canvas.getContext("2d");
  fillWhite(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
}
