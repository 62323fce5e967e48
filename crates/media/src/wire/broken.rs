//! A dialect with a fault, for tests: it is Twilio's until a mark comes back, and then it panics.

use super::dialect::{Dialect, Misread, Said};
use super::frame::Message;
use super::twilio::Twilio;

#[derive(Default)]
pub struct Broken(Twilio);

impl Dialect for Broken {
    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn token_field(&self) -> &'static str {
        self.0.token_field()
    }

    fn read<'a>(&'a mut self, message: &'a Message<'a>) -> Result<Said<'a>, Misread> {
        match self.0.read(message) {
            Ok(Said::Mark(_)) => panic!("as the test asks for"),
            said => said,
        }
    }

    fn sound(&self, frame: &[u8], out: &mut Vec<u8>) {
        self.0.sound(frame, out);
    }

    fn mark(&self, name: &str, out: &mut Vec<u8>) {
        self.0.mark(name, out);
    }

    fn clear(&self, out: &mut Vec<u8>) {
        self.0.clear(out);
    }

    fn hang_up(&self, out: &mut Vec<u8>) {
        self.0.hang_up(out);
    }
}
