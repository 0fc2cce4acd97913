// A few comforts inside the mailbox; everything works without them.

// How far something is that goes on for long. The answer is a picture: its width is the percentage and one pixel, 102
// when nothing is under way, its height how many came to their end, and one pixel; our own policy lets pages fetch
// nothing else.
const watch = (line, over) => {
  "use strict";
  const bar = line.querySelector("progress");
  const words = line.querySelector("span");
  const look = (seen, patience) => {
    const picture = new Image();
    picture.onload = () => {
      const percent = picture.naturalWidth - 1;
      const completed = String(picture.naturalHeight - 1);
      if (percent <= 100) {
        line.hidden = false;
        bar.value = percent;
        words.textContent = percent + " %";
        setTimeout(look, 500, true, patience);
      } else if (completed !== (line.dataset.completed ?? completed)) {
        // Perhaps so quickly that nobody saw it.
        line.hidden = true;
        line.dataset.completed = completed;
        over.textContent = over.dataset.done;
      } else if (seen) {
        // An answer that has arrived, or an export that broke off: that is the browser's to say.
        line.hidden = true;
        over.textContent = "completed" in line.dataset ? "" : over.dataset.done;
      } else if (patience > 0) {
        setTimeout(look, 250, false, patience - 1);
      }
    };
    // One look that failed is not the end of it.
    picture.onerror = () => patience > 0 && setTimeout(look, 500, seen, patience - 1);
    picture.src = line.dataset.progress + "?" + Date.now();
  };
  over.textContent = "";
  setTimeout(look, 100, false, 40);
};

// An export.
(() => {
  "use strict";
  const form = document.getElementById("export");
  const line = document.getElementById("export-progress");
  if (!form || !line) return;
  let pressed = 0;
  form.addEventListener("submit", (event) => {
    // Pressed twice is once.
    if (Date.now() - pressed < 3000) {
      event.preventDefault();
      return;
    }
    pressed = Date.now();
    watch(line, document.getElementById("export-over"));
  });
})();

// An answer: the sizes of its files, what was typed, and how much of it is sent.
(() => {
  "use strict";
  const form = document.getElementById("reply");
  if (!form) return;
  const files = document.getElementById("attachment");
  const list = document.getElementById("chosen");
  const sum = document.getElementById("chosen-sum");
  const most = Number(files.dataset.most);

  // In thousands, as the server writes it: 812 bytes, 31 KB, 2.4 MB.
  const size = (octets) => {
    const [unit, by] = octets < 1e3 ? ["bytes", 1] : octets < 1e6 ? ["kb", 1e3] : ["mb", 1e6];
    const tenths = Math.floor((octets * 10) / by) / 10;
    const number = (tenths < 10 ? tenths : Math.floor(tenths)).toLocaleString(document.documentElement.lang);
    return list.dataset[unit].replace("%", number);
  };

  const show = () => {
    list.replaceChildren();
    let all = 0;
    for (const file of files.files) {
      const [line, name, about] = ["li", "bdi", "span"].map((tag) => document.createElement(tag));
      name.textContent = file.name;
      name.className = "name";
      about.textContent = size(file.size);
      about.className = "quiet";
      line.append(name, about);
      list.append(line);
      all += file.size;
    }
    list.hidden = files.files.length === 0;
    const large = all > most;
    files.setCustomValidity(large ? sum.dataset.large : "");
    sum.className = large ? "error" : "hint";
    sum.textContent = large ? sum.dataset.large : files.files.length > 1 ? sum.dataset.sum.replace("%", size(all)) : "";
  };
  files.addEventListener("change", show);
  show();

  // A moment after the last key, what stands there goes to the server, which keeps it under lock for this session:
  // a page that is loaded again has it. The answer is empty and goes into a frame that nobody sees.
  const fields = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"));
  let known = String(fields());
  let timer = 0;
  let sending = false;
  const keep = () => {
    clearTimeout(timer);
    const typed = fields();
    if (sending || String(typed) === known) return;
    known = String(typed);
    document.getElementById("draft")?.remove();
    const box = document.createElement("div");
    box.id = "draft";
    box.hidden = true;
    const frame = document.createElement("iframe");
    frame.name = "draft";
    frame.title = "";
    const copy = document.createElement("form");
    Object.assign(copy, { method: "post", action: form.dataset.draft, target: "draft", enctype: "multipart/form-data" });
    for (const [name, value] of typed) {
      const field = document.createElement("textarea");
      field.name = name;
      field.value = value;
      copy.append(field);
    }
    box.append(frame, copy);
    document.body.append(box);
    copy.submit();
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(keep, 600);
  });
  document.addEventListener("visibilitychange", () => document.hidden && keep());

  // Once, however often the button is pressed.
  form.addEventListener("submit", (event) => {
    if (sending) {
      event.preventDefault();
      return;
    }
    sending = true;
    setTimeout(() => (sending = false), 3000);
    if (files.files.length > 0) watch(document.getElementById("sending"), document.getElementById("sending-over"));
  });
  addEventListener("pageshow", () => (sending = false));
})();
