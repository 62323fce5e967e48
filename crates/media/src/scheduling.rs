//! Asks the kernel to run a thread when it is due: real time, a short slice, or as it comes, in this order.

#![allow(unsafe_code)]

use std::mem::{size_of, zeroed};

/// What the kernel granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    Default,
    /// The normal class with slices of 0.1 ms, from Linux 6.12 on.
    ShortSlice,
    /// `SCHED_RR`; needs a privilege.
    RealTime,
}

impl Class {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::ShortSlice => "short-slice",
            Self::RealTime => "real-time",
        }
    }
}

/// Below what interrupts and watchdogs of the system have.
const PRIORITY: i32 = 10;
const SLICE_NS: u64 = 100_000;

/// Ask for the calling thread, for `most` at best; what was granted.
#[must_use]
pub fn ask(most: Class) -> Class {
    if most == Class::RealTime && real_time() {
        Class::RealTime
    } else if most != Class::Default && short_slice() {
        Class::ShortSlice
    } else {
        Class::Default
    }
}

fn real_time() -> bool {
    // SAFETY: the parameter is a plain struct that outlives the call; 0 is the calling thread.
    unsafe {
        let mut parameter: libc::sched_param = zeroed();
        parameter.sched_priority = PRIORITY;
        libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameter) == 0
    }
}

fn short_slice() -> bool {
    // SAFETY: all-zero is a valid `sched_attr`, which outlives the calls; its size is told to the kernel.
    unsafe {
        let mut attributes: libc::sched_attr = zeroed();
        attributes.size = size_of::<libc::sched_attr>() as u32;
        attributes.sched_policy = libc::SCHED_OTHER as u32;
        attributes.sched_runtime = SLICE_NS;
        if libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) != 0 {
            return false;
        }
        // Older kernels take the call and ignore the slice.
        let mut granted: libc::sched_attr = zeroed();
        let size = size_of::<libc::sched_attr>() as u32;
        libc::syscall(libc::SYS_sched_getattr, 0, &raw mut granted, size, 0) == 0 && granted.sched_runtime == SLICE_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_granted_than_was_asked_for() {
        for most in [Class::Default, Class::ShortSlice, Class::RealTime] {
            let granted = std::thread::spawn(move || ask(most))
                .join()
                .expect("nothing here panics");
            assert!(granted as u8 <= most as u8, "{} for {}", granted.name(), most.name());
        }
    }
}
