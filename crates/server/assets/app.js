// Copy buttons, and what happens when a search cannot be answered. Every page works without this file.
for (const block of document.querySelectorAll("pre[data-copy]")) {
  const button = document.createElement("button");
  const label = document.createElement("span");
  const what = document.createElement("span");
  button.type = "button";
  button.className = "copy";
  label.textContent = "Copy";
  // Several buttons on a page say the same; screen readers also hear what each one copies.
  what.className = "visually-hidden";
  what.textContent = ` ${block.dataset.copy}`;
  button.append(label, what);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector("code").textContent.trim());
      label.textContent = "Copied";
    } catch {
      label.textContent = "Select and copy it by hand";
    }
  });
  block.append(button);
}

// An error has a page of its own, which says what to do: show it instead of old results.
document.addEventListener("htmx:responseError", (event) => {
  window.location.assign(event.detail.pathInfo.finalRequestPath);
});
