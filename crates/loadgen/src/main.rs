//! Callers at real time against any server that speaks Twilio Media Streams; prints one JSON object.

#![forbid(unsafe_code)]

mod caller;
mod faults;
mod generator;
mod report;
mod wire;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

use caller::{Scenario, Script, frames};
use faults::Fault;
use generator::{Generator, Plan};

const HELP: &str = "\
vivavoce-loadgen --address HOST:PORT --turn FILE.ulaw [options]

  --address HOST:PORT    the server
  --path PATH            /twilio
  --calls N              1
  --cps N                calls begun a second (50)
  --warm-up S            seconds before the measurement (4)
  --seconds S            seconds of measurement (20)
  --scenario NAME        turns, echo or stream (turns)
  --turn FILE            raw 8 kHz mu-law that a caller says; may be given more than once
  --backchannel FILE     the same, said over a reply without meaning to take the turn
  --barge-after S S      how much of a reply is heard before it is talked over (0.8 2.0)
  --token TEXT           call n shows TEXTn
  --fault NAME           one call in ten misbehaves so; may be given more than once:
                         bursts stall abrupt-close back-pressure slow-reader garbage dribble
  --seed N               1
  --core N               run on this core alone
  --void MS              own lateness at p99 beyond which the run is void (5)
";

fn main() -> ExitCode {
    match run() {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("vivavoce-loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Box<dyn std::error::Error>> {
    let mut plan = Plan {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        path: "/twilio".to_owned(),
        calls: 1,
        calls_per_s: 50.0,
        warm_up_s: 4.0,
        seconds: 20.0,
        token: String::new(),
        seed: 1,
        faults: Vec::new(),
    };
    let (mut turns, mut backchannels): (Vec<PathBuf>, Vec<PathBuf>) = (vec![], vec![]);
    let (mut scenario, mut barge_after_s, mut void_ms) = (String::from("turns"), (0.8, 2.0), 5.0);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("address") => {
                let text = parser.value()?.string()?;
                plan.address = text.to_socket_addrs()?.next().ok_or("the address has no host")?;
            }
            Long("path") => plan.path = parser.value()?.string()?,
            Long("calls") => plan.calls = parser.value()?.parse()?,
            Long("cps") => plan.calls_per_s = parser.value()?.parse()?,
            Long("warm-up") => plan.warm_up_s = parser.value()?.parse()?,
            Long("seconds") => plan.seconds = parser.value()?.parse()?,
            Long("scenario") => scenario = parser.value()?.string()?,
            Long("turn") => turns.push(parser.value()?.into()),
            Long("backchannel") => backchannels.push(parser.value()?.into()),
            Long("barge-after") => barge_after_s = (parser.value()?.parse()?, parser.value()?.parse()?),
            Long("token") => plan.token = parser.value()?.string()?,
            Long("fault") => {
                let name = parser.value()?.string()?;
                let fault = Fault::ALL.iter().find(|(known, _)| *known == name);
                plan.faults.push(fault.ok_or(format!("no fault is called {name}"))?.1);
            }
            Long("seed") => plan.seed = parser.value()?.parse()?,
            Long("core") => {
                let mut cores = rustix::thread::CpuSet::new();
                cores.set(parser.value()?.parse()?);
                rustix::thread::sched_setaffinity(None, &cores)?;
            }
            Long("void") => void_ms = parser.value()?.parse()?,
            Long("help") => return Ok(HELP.to_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let read = |paths: &[PathBuf]| -> Result<Vec<_>, String> {
        let clip = |path: &PathBuf| match std::fs::read(path) {
            Ok(bytes) if !bytes.is_empty() => Ok(frames(&bytes)),
            Ok(_) => Err(format!("{} is empty", path.display())),
            Err(error) => Err(format!("{}: {error}", path.display())),
        };
        paths.iter().map(clip).collect()
    };
    let script = Script {
        scenario: match scenario.as_str() {
            "turns" => Scenario::Turns,
            "echo" => Scenario::Echo,
            "stream" => Scenario::Stream,
            other => return Err(format!("no scenario is called {other}").into()),
        },
        turns: read(&turns)?,
        backchannels: read(&backchannels)?,
        barge_after_s,
        reply_timeout_s: 4.0,
        pause_s: (0.6, 1.2),
    };
    if script.turns.is_empty() && script.scenario != Scenario::Stream {
        return Err("what should callers say? give --turn".into());
    }
    Ok(Generator::new(plan, script)?.run(&scenario, void_ms)?)
}
