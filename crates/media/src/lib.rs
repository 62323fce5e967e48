//! The media plane of Vivavoce: everything that touches samples and must never wait.
//!
//! Nothing here knows of Python; `crates/media-py` is its face there.

#![forbid(unsafe_code)]

pub mod audio;
