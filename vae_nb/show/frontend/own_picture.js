// A picture of the reader's own.

// Read a file with a picture, and bring it to an image's shape [height, width, channels], whole, on
// white. Returns its pixels, (height * width * channels) in [0, 1].
export async function readPicture(file, [height, width, channels]) {
  const picture = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const scale = Math.min(width / picture.width, height / picture.height);
  const [w, h] = [picture.width * scale, picture.height * scale];
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, width, height); // red, green, blue, opacity
  return Float32Array.from({ length: height * width * channels }, (_, index) => {
    const start = 4 * Math.floor(index / channels);
    if (channels === 3) return data[start + (index % 3)] / 255;
    return (0.299 * data[start] + 0.587 * data[start + 1] + 0.114 * data[start + 2]) / 255;
  });
}
