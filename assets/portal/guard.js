// The link of an invitation carries its access code behind "#", which browsers keep to themselves.
// Everything works without this.
(() => {
  "use strict";
  const take = () => {
    const code = location.hash.slice(1);
    const input = document.getElementById("token");
    if (!/^[0-9A-Za-z-]{20,64}$/.test(code) || !input) return;

    // The code goes into its field, and the field out of the way.
    input.value = code;
    input.type = "hidden";
    document.getElementById("token-field").hidden = true;
    document.getElementById("token-filled").hidden = false;

    // Nobody reads it over a shoulder, and no history keeps it.
    history.replaceState(null, "", location.pathname + location.search);
  };
  take();

  // The link pasted once more into the address bar of this very page loads nothing anew.
  addEventListener("hashchange", take);

  // Once, however often the button is pressed: the second time the mailbox would be set up already.
  const form = document.getElementById("first");
  let pressed = null;
  form.addEventListener("submit", (event) => {
    if (pressed && pressed === event.submitter) {
      event.preventDefault();
      return;
    }
    pressed = event.submitter;
    setTimeout(() => (pressed = null), 20000);
  });
  addEventListener("pageshow", () => (pressed = null));
})();
