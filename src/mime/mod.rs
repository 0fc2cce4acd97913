//! Messages as bytes: limits, headers, structure, PGP/MIME, notices.
