//! Messages as bytes: limits, headers, structure, PGP/MIME, notices.
//!
//! A message is never held whole: [`scan`] reads it while it arrives, it lies in something that can be read and
//! sought, and everything later works on byte ranges of it.

pub mod address_list;
pub mod budget;
pub mod charset;
pub mod compose;
pub mod display;
pub mod dkim;
pub mod downgrade;
pub mod encode;
pub mod encoded_word;
pub mod encrypted;
pub mod file_kind;
pub mod flowed;
mod fold;
pub mod header;
pub mod html_text;
#[cfg(test)]
mod odd;
pub mod parameter;
pub mod part;
pub mod pgp_mime;
pub mod problem;
pub mod report;
pub mod scan;
pub mod scrub;
pub mod smime;
pub mod structure;
pub mod summary;
