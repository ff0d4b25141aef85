//! RabbitMQ's addresses for direct reply-to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "amq.rabbitmq.reply-to.";
/// Of an Erlang process identifier, behind its node's name: id, serial, creation.
const NUMBERS_BYTES: usize = 12;

/// Whether the broker could have made this address: `amq.rabbitmq.reply-to.<process>.<key>`, the process as an Erlang
/// external term in base64.
///
/// RabbitMQ decodes the term unchecked; a reply to anything else can cost the whole connection.
pub fn is_direct(address: &str) -> bool {
    let parts = address.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(process, key)| {
        let is_key = !key.is_empty() && STANDARD.decode(key).is_ok();
        is_key && STANDARD.decode(process).is_ok_and(|term| is_process(&term))
    })
}

/// A version byte, `NEW_PID_EXT`, the node's name as an atom in one of its three forms, the numbers.
fn is_process(term: &[u8]) -> bool {
    let (name_bytes, rest) = match term {
        [131, 88, 119, bytes, rest @ ..] => (usize::from(*bytes), rest),
        [131, 88, 118 | 100, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return false,
    };
    let name = rest.get(..name_bytes).unwrap_or_default();
    rest.len() == name_bytes + NUMBERS_BYTES && name.contains(&b'@') && name.iter().all(u8::is_ascii_graphic)
}
