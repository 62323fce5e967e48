//! One connection from its first byte to its last, without I/O: bytes and time go in, bytes, sound and events come out.
//!
//! A connection is nobody's until its stream's token was admitted; of such a one no sound is looked at.

use crate::playout::{Dropped, Fate, Refused, Sent};
use crate::queue::chunks::Chunk;
use crate::voice::Voice;
use crate::wire::dialect::{Coding, Dialect, Said};
use crate::wire::frame::{Fault, Kind, Message, Reader, write_header};
use crate::wire::json::Fields;
use crate::wire::{dialect, handshake};

/// What bounds a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest message, in bytes, and the longest of who has not shown a token.
    pub message: usize,
    pub anonymous_message: usize,
    /// How long a connection may be without a token.
    pub anonymous_us: u64,
    /// How long an admitted peer may say nothing at all.
    pub silence_us: u64,
    /// How long something may wait for a peer without a pause, and how many bytes.
    pub blocked_us: u64,
    pub unsent: usize,
    /// Messages of a peer that were not understood.
    pub misread: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 64 * 1024,
            anonymous_message: 8 * 1024,
            anonymous_us: 5_000_000,
            silence_us: 10_000_000,
            blocked_us: 5_000_000,
            unsent: 64 * 1024,
            misread: 50,
        }
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The peer ended the stream or closed the socket.
    PeerClosed,
    /// We hung up.
    HungUp,
    /// The request was no proper upgrade, or its path is not served.
    Handshake,
    /// No token in time, or one that was not expected.
    Unadmitted,
    Protocol(Fault),
    /// Too many messages that were not understood.
    Gibberish,
    Silent,
    /// It read too slowly.
    SlowReader,
    /// More happened than was asked for at the door.
    Unheard,
    /// A fault of ours, in this call alone.
    Broken,
}

/// What a connection tells. Names live as long as the call to whoever listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Started {
        rate_hz: u32,
        stream: &'a str,
        call: &'a str,
        parameters: &'a str,
        codec: &'static str,
    },
    Mark {
        name: u32,
        fate: Fate,
    },
    Dtmf(char),
    Closed(Reason),
}

/// Where what comes out of a connection goes.
pub trait Listener {
    /// Whether this token is expected; it is worth nothing afterwards.
    fn admit(&mut self, token: &str) -> bool;

    /// A message with sound came, which is of `sent_us` by the peer's clock; then comes its sound.
    fn arrived(&mut self, sent_us: u64);

    /// Sound of the caller, at the wire's rate.
    fn sound(&mut self, samples: &[i16]);

    /// A frame of ours that was written.
    fn played(&mut self, samples: &[i16], sent: Sent);

    fn event(&mut self, event: Event<'_>);
}

enum Phase {
    Shaking,
    Anonymous(Box<dyn Dialect>),
    Admitted(Box<dyn Dialect>, Box<Voice>),
    /// With what is to be given back of the voice.
    Over(Option<Box<Voice>>),
}

/// One connection.
pub struct Call {
    limits: Limits,
    lead_us: u64,
    phase: Phase,
    reader: Reader,
    begun_us: u64,
    heard_us: u64,
    misread: u32,
}

impl Call {
    #[must_use]
    pub fn new(limits: Limits, lead_us: u64, now_us: u64) -> Self {
        Self {
            limits,
            lead_us,
            phase: Phase::Shaking,
            reader: Reader::new(limits.anonymous_message),
            begun_us: now_us,
            heard_us: now_us,
            misread: 0,
        }
    }

    /// Whether the socket is to be closed once what was written to `out` is sent.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Whether a token was shown.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        matches!(self.phase, Phase::Admitted(..))
    }

    /// Take what the peer sent from the front of `bytes`; returns how many were used, the rest is to be shown again with
    /// what follows.
    pub fn receive(&mut self, bytes: &mut [u8], now_us: u64, listener: &mut dyn Listener, out: &mut Vec<u8>) -> usize {
        self.heard_us = now_us;
        let mut used = 0;
        if matches!(self.phase, Phase::Shaking) {
            match shake(bytes, out) {
                Ok(None) => return 0,
                Ok(Some((length, dialect))) => {
                    used = length;
                    self.phase = Phase::Anonymous(dialect);
                }
                Err(()) => {
                    self.end(Reason::Handshake, listener);
                    return bytes.len();
                }
            }
        }
        while !self.is_over() {
            let taken = match self.reader.next(&mut bytes[used..]) {
                Ok((0, _)) => break,
                Ok((length, message)) => {
                    used += length;
                    message.map_or(Ok(()), |message| {
                        let misread = &mut self.misread;
                        take(
                            &mut self.phase,
                            &message,
                            self.lead_us,
                            misread,
                            self.limits.misread,
                            listener,
                            out,
                        )
                    })
                }
                Err(fault) => Err(Reason::Protocol(fault)),
            };
            if let Err(reason) = taken {
                self.close(reason, listener, out);
            } else if self.is_admitted() {
                self.reader.set_limit(self.limits.message);
            }
        }
        used
    }

    /// Do what time asks for; `blocked_us` is how long bytes have been waiting for the peer to take them.
    pub fn tick(&mut self, now_us: u64, blocked_us: Option<u64>, listener: &mut dyn Listener, out: &mut Vec<u8>) {
        if blocked_us.is_some_and(|blocked_us| blocked_us > self.limits.blocked_us) {
            return self.end(Reason::SlowReader, listener);
        }
        match &mut self.phase {
            Phase::Over(_) => {}
            Phase::Shaking | Phase::Anonymous(_) if now_us - self.begun_us > self.limits.anonymous_us => {
                self.close(Reason::Unadmitted, listener, out);
            }
            Phase::Admitted(..) if now_us - self.heard_us > self.limits.silence_us => {
                self.close(Reason::Silent, listener, out);
            }
            Phase::Admitted(dialect, voice) => {
                // What the wire does not take is not sent ahead either: it waits where it can be taken back.
                if blocked_us.is_none() {
                    voice.send(dialect.as_ref(), now_us, listener, out);
                }
                while let Some((name, fate)) = voice.playout.next_mark(now_us) {
                    listener.event(Event::Mark { name, fate });
                }
            }
            Phase::Shaking | Phase::Anonymous(_) => {}
        }
    }

    /// When `tick` is to be asked again, unless something happens before.
    #[must_use]
    pub fn due_us(&self) -> u64 {
        match &self.phase {
            Phase::Over(_) => u64::MAX,
            Phase::Shaking | Phase::Anonymous(_) => self.begun_us + self.limits.anonymous_us + 1,
            Phase::Admitted(_, voice) => {
                let silent_us = self.heard_us + self.limits.silence_us + 1;
                let frame_us = if voice.held { None } else { voice.playout.due_us() };
                silent_us
                    .min(frame_us.unwrap_or(u64::MAX))
                    .min(voice.playout.mark_due_us().unwrap_or(u64::MAX))
            }
        }
    }

    /// Queue sound at the wire's rate.
    ///
    /// # Errors
    ///
    /// The chunk, where the connection is not admitted or over; otherwise as [`Playout::play`], with the chunk spent.
    pub fn play(&mut self, epoch: u32, chunk: Chunk, now_us: u64) -> Result<Result<(), Refused>, Chunk> {
        match self.voice() {
            Some((_, voice)) => Ok(voice.playout.play(epoch, chunk, now_us)),
            None => Err(chunk),
        }
    }

    /// A chunk that is used up.
    pub fn spent(&mut self) -> Option<Chunk> {
        match &mut self.phase {
            Phase::Admitted(_, voice) | Phase::Over(Some(voice)) => voice.playout.spent(),
            _ => None,
        }
    }

    /// # Errors
    ///
    /// As [`Playout::mark`]; `Stale` for a connection that is not admitted or over.
    pub fn mark(&mut self, name: u32, epoch: u32) -> Result<(), Refused> {
        self.voice()
            .map_or(Err(Refused::Stale), |(_, voice)| voice.playout.mark(name, epoch))
    }

    /// Whether the peer hears something of ours, or soon will.
    #[must_use]
    pub fn is_playing(&self, now_us: u64) -> bool {
        matches!(&self.phase, Phase::Admitted(_, voice) if voice.playout.is_playing(now_us))
    }

    /// Samples of the newest epoch that were heard.
    #[must_use]
    pub fn heard_of_epoch(&self, now_us: u64) -> u64 {
        match &self.phase {
            Phase::Admitted(_, voice) => voice.playout.heard_of_epoch(now_us),
            _ => 0,
        }
    }

    /// Fall silent: nothing that waits is sent, and the peer is told to drop what it holds.
    pub fn clear(&mut self, now_us: u64, out: &mut Vec<u8>) -> Option<Dropped> {
        let (dialect, voice) = self.voice()?;
        dialect.clear(out);
        Some(voice.clear(now_us))
    }

    /// Move the agent's level in a ramp.
    pub fn fade(&mut self, decibels: f32, over_ms: u32) {
        if let Some((_, voice)) = self.voice() {
            voice.fade(decibels, over_ms);
        }
    }

    pub fn hang_up(&mut self, listener: &mut dyn Listener, out: &mut Vec<u8>) {
        if let Some((dialect, _)) = self.voice() {
            dialect.hang_up(out);
        }
        self.close(Reason::HungUp, listener, out);
    }

    /// Give the connection up for a reason that lies outside it.
    pub fn give_up(&mut self, reason: Reason, listener: &mut dyn Listener, out: &mut Vec<u8>) {
        self.close(reason, listener, out);
    }

    /// The socket is gone.
    pub fn lost(&mut self, listener: &mut dyn Listener) {
        self.end(Reason::PeerClosed, listener);
    }

    fn voice(&mut self) -> Option<(&dyn Dialect, &mut Voice)> {
        match &mut self.phase {
            Phase::Admitted(dialect, voice) => Some((&**dialect, &mut **voice)),
            _ => None,
        }
    }

    fn close(&mut self, reason: Reason, listener: &mut dyn Listener, out: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Shaking | Phase::Over(_)) {
            let code = match reason {
                Reason::PeerClosed | Reason::HungUp => 1000,
                Reason::Protocol(fault) => fault.code(),
                _ => 1008,
            };
            write(Kind::Close, &u16::to_be_bytes(code), out);
        }
        self.end(reason, listener);
    }

    fn end(&mut self, reason: Reason, listener: &mut dyn Listener) {
        if !self.is_over() {
            let voice = match core::mem::replace(&mut self.phase, Phase::Over(None)) {
                Phase::Admitted(_, mut voice) => {
                    voice.clear(self.heard_us);
                    Some(voice)
                }
                _ => None,
            };
            self.phase = Phase::Over(voice);
            listener.event(Event::Closed(reason));
        }
    }
}

/// A request's length, and the dialect of its path.
type Shaken = (usize, Box<dyn Dialect>);

/// Answer the request; a refusal is written, too.
fn shake(bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Shaken>, ()> {
    match handshake::read(bytes) {
        Ok(None) => Ok(None),
        Ok(Some((length, upgrade))) => {
            let Some(dialect) = dialect(upgrade.target) else {
                out.extend_from_slice(handshake::Refusal::Path.response());
                return Err(());
            };
            upgrade.accept(dialect.subprotocol().filter(|ours| upgrade.offers(ours)), out);
            Ok(Some((length, dialect)))
        }
        Err(refusal) => {
            out.extend_from_slice(refusal.response());
            Err(())
        }
    }
}

/// Take one message. What is not understood is counted, not answered.
fn take(
    phase: &mut Phase,
    message: &Message<'_>,
    lead_us: u64,
    misread: &mut u32,
    most: u32,
    listener: &mut dyn Listener,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    match message {
        Message::Ping(payload) => {
            write(Kind::Pong, payload, out);
            return Ok(());
        }
        Message::Pong(_) => return Ok(()),
        Message::Close(..) => return Err(Reason::PeerClosed),
        Message::Text(_) | Message::Binary(_) => {}
    }
    let said = match phase {
        Phase::Anonymous(dialect) => {
            let field = dialect.token_field();
            match dialect.read(message) {
                Ok(Said::Started {
                    coding,
                    stream,
                    call,
                    parameters,
                }) => {
                    if !token(parameters, field).is_some_and(|token| listener.admit(token)) {
                        return Err(Reason::Unadmitted);
                    }
                    listener.event(Event::Started {
                        rate_hz: coding.rate_hz(),
                        stream,
                        call,
                        parameters,
                        codec: coding.name(),
                    });
                    admitted(phase, coding, lead_us);
                    return Ok(());
                }
                // Of a call that nobody expects nothing is looked at.
                other => other.map(|_| Said::Nothing),
            }
        }
        Phase::Admitted(dialect, voice) => match dialect.read(message) {
            Ok(Said::Sound { bytes, at_ms }) => {
                voice.hear(bytes, at_ms, listener);
                return Ok(());
            }
            Ok(Said::Hold(held)) => {
                voice.held = held;
                return Ok(());
            }
            other => other,
        },
        Phase::Shaking | Phase::Over(_) => return Ok(()),
    };
    match said {
        Ok(Said::Dtmf(digit)) => listener.event(Event::Dtmf(digit)),
        Ok(Said::Stopped) => return Err(Reason::PeerClosed),
        // A second start changes nothing; marks of the peer's are told by its playout clock.
        Ok(_) => {}
        Err(_) => {
            *misread += 1;
            if *misread > most {
                return Err(Reason::Gibberish);
            }
        }
    }
    Ok(())
}

fn token<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    Fields::new(parameters)
        .map_while(Result::ok)
        .find(|(key, _)| *key == name)?
        .1
        .plain()
}

fn admitted(phase: &mut Phase, coding: Coding, lead_us: u64) {
    if let Phase::Anonymous(dialect) = core::mem::replace(phase, Phase::Over(None)) {
        *phase = Phase::Admitted(dialect, Box::new(Voice::new(coding, lead_us)));
    }
}

fn write(kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
    let mut header = [0; 10];
    let length = write_header(kind, payload.len(), &mut header);
    out.extend_from_slice(&header[..length]);
    out.extend_from_slice(payload);
}
