//! Every text that people read, from assets/texts, by language.
