// What the served pages are held against; every rule that is off says why.
module.exports = {
  root: true,
  extends: ["html-validate:recommended"],
  rules: {
    // Upper or lower case is taste (HTML § 13.1.1); ours is lower.
    "doctype-style": ["error", { style: "lowercase" }],
  },
};
