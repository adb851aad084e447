// Shows the explorer in a page of its own: a model like that of a notebook, but without a kernel.
function createModel() {
  const values = JSON.parse(document.getElementById("state").textContent);
  for (const name of ["numbers", "codes", "thumbnails"]) {
    const text = atob(values[name]);
    values[name] = Uint8Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
  }
  return {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; },
    save_changes() {}, // there is no kernel to tell
    send() {},
    on() {},
    off() {},
  };
}

render({ model: createModel(), el: document.getElementById("explorer") });
