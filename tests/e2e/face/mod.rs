//! The portal's face: every page and state that a reader can meet is reached by clicks in a real browser, and judged
//! there: accessible, valid, light, and whole on the smallest screen.
//!
//! `GUARDPOST_FACE=all` judges every look of every state; `GUARDPOST_SCREENSHOTS=DIR` keeps pictures of them.

mod brands;
mod chromium;
mod judge;
mod keyboard;
mod letters;
mod mails;
mod names;
mod rare;
mod readers;
mod states;
mod town;
mod walk;
