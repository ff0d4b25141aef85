//! AMQP 0-9-1: frames, and the five methods that matter.

use std::collections::HashMap;

use super::wire::{Answer, Seen, Unit};

const PROTOCOL_HEADER: &[u8] = b"AMQP";
const METHOD_FRAME: u8 = 1;
const BASIC: u16 = 60;
const CONSUME: u16 = 20;
const PUBLISH: u16 = 40;
const DELIVER: u16 = 60;
const ACK: u16 = 80;
const NACK: u16 = 120;

/// The client's side: who consumes what on which channel.
#[derive(Default)]
pub(super) struct RabbitRequests {
    queues: HashMap<u16, String>,
}

impl RabbitRequests {
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Unit> {
        let bytes = next_frame(buffer)?;
        let Some((channel, method, arguments)) = basic_method(&bytes) else {
            let channel = if bytes.starts_with(PROTOCOL_HEADER) { 0 } else { channel_of(&bytes) };
            return Some(Unit { channel, ..Unit::plain(bytes) });
        };
        let mut unit = Unit { channel, ..Unit::plain(Vec::new()) };
        match method {
            CONSUME => {
                self.queues.insert(channel, short_string(arguments.get(2..)?).0);
            }
            PUBLISH => {
                let (exchange, length) = short_string(arguments.get(2..)?);
                let (key, _) = short_string(arguments.get(2 + length..)?);
                let key = if key.starts_with("amq.") { "the reply" } else { &key };
                unit.step = Some(format!("publish {exchange} {key}"));
                unit.answer = Answer::Confirm(channel);
            }
            ACK => {
                let queue = self.queues.get(&channel).map_or("", String::as_str);
                unit.step = Some(format!("acknowledge {queue}"));
                unit.answer = Answer::None;
                unit.acknowledged = 1;
            }
            _ => {}
        }
        Some(Unit { bytes, ..unit })
    }
}

/// The broker's side.
#[derive(Default)]
pub(super) struct RabbitAnswers {
    buffer: Vec<u8>,
}

impl RabbitAnswers {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Seen {
        self.buffer.extend_from_slice(bytes);
        let mut seen = Seen::default();
        while let Some(frame) = next_frame(&mut self.buffer) {
            match basic_method(&frame) {
                Some((_, DELIVER, _)) => seen.deliveries += 1,
                Some((channel, ACK | NACK, _)) => seen.confirms.push(channel),
                _ => {}
            }
        }
        seen
    }
}

fn next_frame(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = if buffer.starts_with(PROTOCOL_HEADER) {
        8
    } else {
        8 + usize::try_from(u32::from_be_bytes(buffer.get(3..7)?.try_into().ok()?)).ok()?
    };
    (buffer.len() >= length).then(|| buffer.drain(..length).collect())
}

fn channel_of(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[1], frame[2]])
}

/// Channel, method and arguments of a frame with a method of the class `basic`.
fn basic_method(frame: &[u8]) -> Option<(u16, u16, &[u8])> {
    let number = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let is_basic = frame.first() == Some(&METHOD_FRAME) && number(7)? == BASIC;
    is_basic.then_some((channel_of(frame), number(9)?, frame.get(11..)?))
}

/// A text, and how many bytes it takes with its length.
fn short_string(bytes: &[u8]) -> (String, usize) {
    let length = bytes.first().copied().map_or(0, usize::from);
    let text = bytes.get(1..=length).unwrap_or_default();
    (String::from_utf8_lossy(text).into_owned(), length + 1)
}
