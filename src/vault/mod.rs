//! Keys and slots: who can read what, and when.
