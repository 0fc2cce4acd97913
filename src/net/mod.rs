//! The wire: listeners, streams, TLS, DNS, dialling.
