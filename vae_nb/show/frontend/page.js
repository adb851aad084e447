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

// The end of the page's address, after the "#": what a link shows.
function createAddress() {
  let last = null;
  let waiting = null;
  return {
    read: () => location.hash.slice(1),
    // Write a text once it has not changed for a moment: browsers refuse to do so all the time.
    // The first one is what the page shows by itself.
    write(text) {
      if (text === last) return;
      clearTimeout(waiting);
      if (last !== null) waiting = setTimeout(() => history.replaceState(null, "", `#${text}`), 300);
      last = text;
    },
    onChange: (act) => window.addEventListener("hashchange", act),
  };
}

render({
  model: createModel(), el: document.getElementById("explorer"), address: createAddress(),
});
