//! Queues between threads, without locks.
//!
//! [`events`] takes events of many producers for many consumers; [`chunks`] keeps speech in the pieces in which it came.
//! What goes from one thread to one other is an `rtrb` ring. All have their room from the start. Tests run [`events`]
//! under loom (`RUSTFLAGS="--cfg loom"`).

pub mod chunks;
pub mod events;

mod sync {
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicU64, Ordering};
    #[cfg(not(loom))]
    pub use std::sync::atomic::{AtomicU64, Ordering};
}
