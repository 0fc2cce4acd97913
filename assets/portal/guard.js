// A few small comforts; everything works without them.
// The link of an invitation carries its access code behind "#", which browsers keep to themselves.
(() => {
  "use strict";
  const code = location.hash.slice(1);
  const input = document.getElementById("token");
  if (!/^[0-9A-Za-z-]{20,64}$/.test(code) || !input) return;

  // The code goes into its field, and the field out of the way.
  input.value = code;
  input.type = "hidden";
  document.getElementById("token-field").hidden = true;
  document.getElementById("token-filled").hidden = false;

  // Changing the language keeps it.
  for (const link of document.querySelectorAll("a.language")) link.hash = location.hash;

  // Nobody reads it over a shoulder, and no history keeps it.
  history.replaceState(null, "", location.pathname + location.search);
})();

// An export says how far it is. The answer is a picture: its width is the percentage and one pixel, 102 when none is
// under way; our own policy lets pages fetch nothing else.
(() => {
  "use strict";
  const form = document.getElementById("export");
  const line = document.getElementById("export-progress");
  if (!form || !line) return;
  const bar = document.getElementById("export-bar");
  const words = document.getElementById("export-percent");
  const over = document.getElementById("export-over");

  const look = (seen, patience) => {
    const picture = new Image();
    picture.onload = () => {
      const percent = picture.naturalWidth - 1;
      if (percent <= 100) {
        line.hidden = false;
        bar.value = percent;
        words.textContent = percent + " %";
        setTimeout(look, 500, true, patience);
      } else if (seen) {
        line.hidden = true;
        over.textContent = over.dataset.done;
      } else if (patience > 0) {
        setTimeout(look, 250, false, patience - 1);
      }
    };
    picture.src = line.dataset.progress + "?" + Date.now();
  };

  form.addEventListener("submit", () => {
    over.textContent = "";
    setTimeout(look, 100, false, 40);
  });
})();
