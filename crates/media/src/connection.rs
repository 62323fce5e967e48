//! A connection's socket, and what waits on its two sides.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use rustix::event::epoll;

use crate::call::Call;
use crate::office::Guest;

pub(crate) struct Connection {
    pub socket: TcpStream,
    pub call: Call,
    pub guest: Option<Guest>,
    /// Bytes of a message that is not whole, and bytes that the peer has not taken.
    pub inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// Since when bytes wait for the peer. Only then is epoll asked when it takes some.
    pub blocked_from_us: Option<u64>,
}

impl Connection {
    pub const fn new(socket: TcpStream, call: Call) -> Self {
        Self {
            socket,
            call,
            guest: None,
            inbox: Vec::new(),
            outbox: Vec::new(),
            blocked_from_us: None,
        }
    }

    /// Send what waits and then this; what the peer does not take waits.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if !self.outbox.is_empty() {
            self.outbox.extend_from_slice(bytes);
            let sent = write(&mut self.socket, &self.outbox)?;
            self.outbox.drain(..sent);
        } else if !bytes.is_empty() {
            let sent = write(&mut self.socket, bytes)?;
            self.outbox.extend_from_slice(&bytes[sent..]);
        }
        Ok(())
    }

    /// Bytes that wait for the peer.
    pub fn unsent(&self) -> usize {
        self.outbox.len()
    }

    pub fn watch(&mut self, epoll: &rustix::fd::OwnedFd, index: usize, now_us: u64) {
        let blocked = !self.outbox.is_empty();
        if blocked != self.blocked_from_us.is_some() {
            let flags = if blocked {
                epoll::EventFlags::IN | epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::IN
            };
            let data = epoll::EventData::new_u64(index as u64);
            // It cannot fail for a socket that is watched.
            let watched = epoll::modify(epoll, &self.socket, data, flags).is_ok();
            self.blocked_from_us = (watched && blocked).then_some(now_us);
        }
    }
}

fn write(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        result => result,
    }
}
