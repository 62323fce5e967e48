//! What passes over the wire: framing, text, and the dialects of those who stream calls. Everything here is sans-I/O.

pub mod asterisk;
pub mod base64;
#[cfg(test)]
mod broken;
pub mod dialect;
pub mod frame;
#[cfg(test)]
mod garbled;
pub mod handshake;
pub mod json;
pub mod twilio;

use dialect::Dialect;

/// A dialect for the path of a request; None for a path that is not served.
#[must_use]
pub fn dialect(target: &str) -> Option<Box<dyn Dialect>> {
    let path = target.split('?').next().unwrap_or(target);
    match path {
        "/twilio" => Some(Box::<twilio::Twilio>::default()),
        #[cfg(test)]
        "/broken" => Some(Box::<broken::Broken>::default()),
        "/asterisk" => Some(Box::<asterisk::Asterisk>::default()),
        _ => None,
    }
}
