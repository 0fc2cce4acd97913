// Run in a page of the portal: whether every text stays readable in 600 colours that an organisation may choose, as the
// browser itself derives and paints the others (WCAG 2.2 §1.4.3). Returns what is not, how many accents were seen, and the
// least contrast.
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 1;
const pixels = canvas.getContext("2d", { willReadFrequently: true });
const light = (colour) => {
  pixels.clearRect(0, 0, 1, 1);
  pixels.fillStyle = colour;
  pixels.fillRect(0, 0, 1, 1);
  const linear = [...pixels.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((v) => {
    v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const contrast = (a, b) => {
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
};
const note = document.createElement("div");
note.className = "note";
note.innerHTML = "<a href='/'>a</a><span class='host'>h</span><span class='quiet'>q</span>";
document.querySelector("main").append(note);
const of = (selector, what) => getComputedStyle(document.querySelector(selector))[what];
let seed = 1;
const next = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8;
const colours = ["#ffffff", "#000000", "#ffff00", "#00ffff", "#ff00ff", "#ff0000", "#00ff00", "#0000ff", "#777777"];
while (colours.length < 609) colours.push("#" + (next() & 0xffffff).toString(16).padStart(6, "0"));
const found = [];
let least = 99;
const seen = new Set();
for (const brand of colours) {
  document.documentElement.style.setProperty("--brand", brand);
  const accent = of(".button", "backgroundColor");
  seen.add(accent);
  const pairs = {
    "link on sheet": [of(".language", "color"), of(".sheet", "backgroundColor")],
    "link on page": [of(".bottom a", "color"), of("body", "backgroundColor")],
    "link on tint": [of(".note a", "color"), of(".note", "backgroundColor")],
    "text on tint": [of(".note .host", "color"), of(".note", "backgroundColor")],
    "quiet on tint": [of(".note .quiet", "color"), of(".note", "backgroundColor")],
    "text on button": [of(".button", "color"), accent],
  };
  for (const [name, [a, b]] of Object.entries(pairs)) {
    const value = contrast(a, b);
    least = Math.min(least, value);
    if (!(value >= 4.5)) found.push(`${brand}: ${name} ${value.toFixed(2)}`);
  }
}
return [found.slice(0, 20).join("; "), seen.size, least];
