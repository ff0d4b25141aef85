//! The W3C trace context that ties a message to what follows from it.

use uuid::Uuid;

/// The caller's `traceparent` where it is well-formed; else one whose trace id is the message's id, so that whoever knows
/// the one knows the other, however often the message comes.
pub fn continue_or_start_trace(traceparent: Option<&str>, message_id: Uuid) -> String {
    match traceparent.map(str::trim) {
        Some(given) if trace_id(given).is_some() => given.to_owned(),
        _ => {
            // The nil UUID is a valid message id, but no valid trace id.
            let id = if message_id.is_nil() { Uuid::max() } else { message_id };
            let trace = id.simple().to_string();
            let parent = if trace[16..].bytes().all(|byte| byte == b'0') { &trace[..16] } else { &trace[16..] };
            format!("00-{trace}-{parent}-01")
        }
    }
}

/// The trace id of a well-formed `traceparent`. Version 00: `00-<32 hex>-<16 hex>-<2 hex>`, lower-case, ids not all zero.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = |part: &str, length: usize| hex(part, length) && part.bytes().any(|b| b != b'0');
    match traceparent.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, parent, flags] if id(trace, 32) && id(parent, 16) && hex(flags, 2) => Some(trace),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0199_4c1e_7a00_7abc_8def_0123_4567_89ab);

    #[test]
    fn a_well_formed_context_is_continued() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(continue_or_start_trace(Some(given), ID), given);
        assert_eq!(trace_id(given), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn anything_else_starts_one_with_the_messages_id() {
        for given in [
            None,
            Some(""),
            Some("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
            Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"),
        ] {
            let started = continue_or_start_trace(given, ID);
            assert_eq!(trace_id(&started), Some("01994c1e7a007abc8def0123456789ab"), "{given:?}");
        }
    }

    #[test]
    fn every_id_makes_a_well_formed_context() {
        for id in [Uuid::nil(), Uuid::max(), Uuid::from_u128(1), Uuid::from_u128(1 << 64)] {
            let started = continue_or_start_trace(None, id);
            assert!(trace_id(&started).is_some(), "{started}");
        }
    }
}
