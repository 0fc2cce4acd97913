// What the HTML of our mails is held against: what mail programs need is allowed, each with its reason, and nothing else.
const layout = { deprecated: false };

module.exports = {
  root: true,
  extends: ["html-validate:recommended"],
  elements: [
    "html5",
    // Outlook for Windows lays out with Word: it takes widths, distances, colours and alignment of tables from these
    // attributes only. Every other attribute that has had its day is still refused.
    {
      table: {
        attributes: {
          align: layout,
          bgcolor: layout,
          border: layout,
          cellpadding: layout,
          cellspacing: layout,
          width: layout,
        },
      },
      td: { attributes: { align: layout, bgcolor: layout } },
    },
  ],
  rules: {
    // Upper or lower case is taste (HTML § 13.1.1); ours is lower.
    "doctype-style": ["error", { style: "lowercase" }],
    // Many mail programs drop <style>: what must be seen stands at the element, the sheet above only changes colours.
    "no-inline-style": "off",
    // Outlook for Windows knows no max-width: what only it reads gives the letter its width.
    "no-conditional-comment": "off",
    // A headline may have 150 characters, and a mail two of them; no search engine lists mails.
    "long-title": ["error", { maxlength: 303 }],
  },
};
