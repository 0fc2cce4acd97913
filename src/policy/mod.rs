//! Decisions as pure functions over facts.
