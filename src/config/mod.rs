//! guard.toml: reading, defaults, complaints.
