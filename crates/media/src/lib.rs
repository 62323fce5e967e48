//! The media plane: everything that happens to sound before and after Python, without Python.
//!
//! From below: [`audio`] and [`wire`] compute and do no I/O; [`call`] is one connection made of them, still without I/O;
//! [`worker`] is a thread that owns sockets and moves a millisecond at a time; [`detector`] is a thread that tells voices;
//! [`engine`] starts them and is what a program holds. Under `--cfg loom` there are the queues alone.

#![deny(unsafe_code)]

#[cfg(not(loom))]
pub mod admission;
#[cfg(not(loom))]
pub mod audio;
#[cfg(not(loom))]
pub mod call;
#[cfg(not(loom))]
mod connection;
#[cfg(not(loom))]
pub mod detector;
#[cfg(not(loom))]
pub mod door;
#[cfg(not(loom))]
pub mod engine;
#[cfg(not(loom))]
pub mod hearing;
#[cfg(not(loom))]
pub mod jitter;
#[cfg(not(loom))]
mod lane;
#[cfg(not(loom))]
mod marks;
#[cfg(not(loom))]
mod office;
#[cfg(not(loom))]
mod party;
#[cfg(not(loom))]
pub mod playout;
pub mod queue;
#[cfg(not(loom))]
pub mod reflex;
#[cfg(not(loom))]
pub mod scheduling;
#[cfg(not(loom))]
pub mod stats;
#[cfg(not(loom))]
mod voice;
#[cfg(not(loom))]
pub mod wire;
#[cfg(not(loom))]
pub mod worker;
