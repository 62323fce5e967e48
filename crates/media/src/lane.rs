//! The door's way to one worker, and the thread at its end.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::door::{CallId, Command};
use crate::queue::chunks::Chunk;
use crate::stats::WorkerStats;

pub(crate) struct Lane {
    commands: rtrb::Producer<Command>,
    spent: rtrb::Consumer<Chunk>,
    /// Pieces that the worker holds.
    held: usize,
    pub stats: Arc<WorkerStats>,
    pub thread: Option<JoinHandle<()>>,
}

impl Lane {
    pub fn new(commands: rtrb::Producer<Command>, spent: rtrb::Consumer<Chunk>, stats: Arc<WorkerStats>) -> Self {
        Self {
            commands,
            spent,
            held: 0,
            stats,
            thread: None,
        }
    }

    pub fn has_room(&self) -> bool {
        self.commands.slots() > 0
    }

    pub fn has_room_for_speech(&self) -> bool {
        self.held < self.spent.buffer().capacity() && self.has_room()
    }

    /// Give in a piece of speech, for which there is room.
    pub fn play(&mut self, call: CallId, epoch: u32, chunk: Chunk) {
        self.held += 1;
        self.send(Command::Play { call, epoch, chunk });
    }

    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub fn send(&mut self, command: Command) -> bool {
        self.commands.push(command).is_ok()
    }

    /// Free what was played.
    pub fn reclaim(&mut self) {
        while self.spent.pop().is_ok() {
            self.held -= 1;
        }
    }
}
