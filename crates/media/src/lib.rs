//! The media plane: everything that happens to sound before and after Python, without Python.
//!
//! From below: [`audio`] and [`wire`] compute and do no I/O; [`call`] is one connection made of them, still without I/O;
//! [`worker`] is a thread that owns sockets and moves a millisecond at a time; [`detector`] is a thread that tells voices;
//! [`engine`] starts them and is what a program holds.

#![deny(unsafe_code)]

pub mod admission;
pub mod audio;
pub mod call;
mod connection;
pub mod detector;
pub mod door;
pub mod engine;
pub mod hearing;
pub mod jitter;
mod lane;
mod marks;
mod office;
mod party;
pub mod playout;
pub mod queue;
pub mod reflex;
pub mod scheduling;
pub mod stats;
mod voice;
pub mod wire;
pub mod worker;
