// The encoder and the decoder, on typed arrays. They are those of vae_nb/core: model.py, layers.py
// and convolution.py, without batches and without gradients.
//
// There is one kind of layer. It cuts its input into patches, multiplies each patch by the same
// matrix, and puts the patches that come out together. A dense layer is the case of an image of one
// pixel whose numbers are all in one patch.

const LEAK = 0.2; // what leaky_relu leaves of a negative number
const LOG_VARIANCE_BOUND = 30;

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

const ACTIVATIONS = {
  linear: (a) => a,
  relu: (a) => Math.max(a, 0),
  leaky_relu: (a) => Math.max(a, LEAK * a),
  tanh: Math.tanh,
  sigmoid,
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  cosh: Math.cosh,
  silu: (a) => a * sigmoid(a),
};

// Build a model.
//
// layers: the encoder's hidden layers, the heads "mean" and "log_variance", and the decoder's
//   layers, each {name, activation, input, output, reads, writes, weights, biases}. input and output
//   are [height, width, channels]; reads and writes are [kernel size, strides]; weights is the shape
//   of the matrix, biases their number.
// numbers: Float32Array of all weights, row by row, and biases, in this order; then the mean image.
export function createNetwork(layers, numbers) {
  let start = 0;
  const take = (count) => numbers.subarray(start, (start += count));
  const loaded = layers.map((layer) => {
    const [rows, columns] = layer.weights;
    return { ...layer, rows, columns, weights: take(rows * columns), biases: take(layer.biases) };
  });
  const meanImage = numbers.subarray(start);
  const head = loaded.findIndex((layer) => layer.name === "mean");
  const encoder = loaded.slice(0, head);
  const [mean, logVariance] = loaded.slice(head, head + 2);
  const decoder = loaded.slice(head + 2);

  return {
    // image: (pixels) in [0, 1]. Returns the mean and the log-variance of its posterior.
    encode(image) {
      const centered = Float32Array.from(image, (pixel, index) => pixel - meanImage[index]);
      const hidden = encoder.reduce((x, layer) => forward(layer, x), centered);
      const bounded = forward(logVariance, hidden).map((value) =>
        Math.min(LOG_VARIANCE_BOUND, Math.max(-LOG_VARIANCE_BOUND, value)));
      return { mean: forward(mean, hidden), logVariance: bounded };
    },
    // z: (latent). Returns the probabilities of the pixels, (pixels) in [0, 1].
    decode(z) {
      const logits = decoder.reduce((x, layer) => forward(layer, x), Float32Array.from(z));
      for (let i = 0; i < logits.length; i++) logits[i] = sigmoid(logits[i]);
      return logits;
    },
  };
}

// The output of one layer, (height * width * channels), for an input of the same layout.
function forward(layer, x) {
  const { input, output, reads, writes, weights, biases, rows, columns } = layer;
  const read = unfold(x, input, reads);
  const written = product(read, weights, rows, columns);
  const out = fold(written, output, writes);
  const activation = ACTIVATIONS[layer.activation];
  const count = biases.length; // one for each channel, or one for each number
  for (let i = 0; i < out.length; i += count) {
    for (let j = 0; j < count; j++) out[i + j] = activation(out[i + j] + biases[j]);
  }
  return out;
}

// Cut an image into patches: (patches, kernel² * channels), with zeros beyond the border.
function unfold(image, shape, patches) {
  const [kernel, strides] = patches;
  if (kernel === 1) return image;
  const [height, width, channels] = shape;
  const cut = new Float32Array((height / strides) * (width / strides) * kernel ** 2 * channels);
  forEachRun(shape, patches, (inPatch, inImage, length) => {
    for (let k = 0; k < length; k++) cut[inPatch + k] = image[inImage + k];
  });
  return cut;
}

// Put patches together to an image of a shape; where they overlap, they are added.
function fold(cut, shape, patches) {
  if (patches[0] === 1) return cut;
  const image = new Float32Array(shape[0] * shape[1] * shape[2]);
  forEachRun(shape, patches, (inPatch, inImage, length) => {
    for (let k = 0; k < length; k++) image[inImage + k] += cut[inPatch + k];
  });
  return image;
}

// Go through the rows of all patches. The numbers of such a row that are not beyond the border come
// one after another, both in the patch and in the image: `act` is told where, and how many.
function forEachRun([height, width, channels], [kernel, strides], act) {
  const border = (kernel - strides) / 2;
  let start = 0; // of a row of a patch
  for (let top = -border; top < height - border; top += strides) {
    for (let left = -border; left < width - border; left += strides) {
      const first = Math.max(left, 0);
      const length = (Math.min(left + kernel, width) - first) * channels;
      for (let row = top; row < top + kernel; row++, start += kernel * channels) {
        if (row < 0 || row >= height) continue;
        act(start + (first - left) * channels, (row * width + first) * channels, length);
      }
    }
  }
}

// x @ weights, with x of shape (n, rows) and weights of shape (rows, columns).
//
// It walks the rows of the weights, because these lie in one piece in memory, and skips those that
// meet a zero. Four rows at a time spare most of the reading and writing of the sums.
function product(x, weights, rows, columns) {
  const n = x.length / rows;
  const out = new Float32Array(n * columns);
  const values = new Float32Array(rows + 3);
  const starts = new Int32Array(rows + 3);
  for (let item = 0; item < n; item++) {
    let count = 0;
    for (let row = 0; row < rows; row++) {
      const value = x[item * rows + row];
      if (value === 0) continue;
      values[count] = value;
      starts[count++] = row * columns;
    }
    values.fill(0, count); // fills up the last four
    starts.fill(0, count);
    const end = (item + 1) * columns;
    for (let k = 0; k < count; k += 4) {
      const a = values[k];
      const b = values[k + 1];
      const c = values[k + 2];
      const d = values[k + 3];
      let p = starts[k];
      let q = starts[k + 1];
      let r = starts[k + 2];
      let s = starts[k + 3];
      for (let j = item * columns; j < end; j++) {
        out[j] += a * weights[p++] + b * weights[q++] + c * weights[r++] + d * weights[s++];
      }
    }
  }
  return out;
}

// The numbers in some bytes, little-endian. format is "float64", "float32" or "float16".
export function readNumbers(bytes, format) {
  const copy = bytes.slice(); // aligned, as typed arrays need it
  if (format === "float64") return new Float64Array(copy.buffer);
  if (format === "float32") return new Float32Array(copy.buffer);
  const values = Float32Array.from({ length: 2 ** 16 }, (_, bits) => fromHalf(bits));
  const halves = new Uint16Array(copy.buffer);
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) numbers[i] = values[halves[i]];
  return numbers;
}

// The value of a float16: a sign, five bits of the exponent, ten of the fraction.
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 0) return sign * fraction * 2 ** -14; // too small for a leading 1
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}
