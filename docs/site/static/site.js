// What unfolds a part of the navigation has a name for screen readers.
for (const summary of document.querySelectorAll("nav summary")) {
  summary.ariaLabel = `Pages of ${summary.closest("li").querySelector("a").textContent}`;
}
