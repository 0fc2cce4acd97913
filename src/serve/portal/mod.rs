//! The portal.
pub mod headers;
pub mod html;
pub mod origin;
pub mod plain;
pub mod route;
