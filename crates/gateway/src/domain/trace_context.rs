//! The W3C trace context that ties a request to what follows from it.

use uuid::Uuid;

/// The caller's `traceparent` where it is well-formed, else a new one.
pub(crate) fn continue_or_start(traceparent: Option<&str>) -> String {
    match traceparent.map(str::trim) {
        Some(given) if is_well_formed(given) => given.to_owned(),
        _ => {
            let span = Uuid::new_v4().simple().to_string();
            format!("00-{}-{}-01", Uuid::new_v4().simple(), &span[..16])
        }
    }
}

/// Version 00: `00-<32 hex>-<16 hex>-<2 hex>`, lower-case, ids not all zero.
fn is_well_formed(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let id = |part: &str, length: usize| hex(part, length) && part.bytes().any(|b| b != b'0');
    match text.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, parent, flags] => id(trace, 32) && id(parent, 16) && hex(flags, 2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_context_is_continued() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(continue_or_start(Some(given)), given);
    }

    #[test]
    fn anything_else_starts_a_new_one() {
        for given in [
            None,
            Some(""),
            Some("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
            Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"),
        ] {
            let started = continue_or_start(given);
            assert!(is_well_formed(&started), "{started}");
            assert_ne!(Some(started.as_str()), given);
        }
    }
}
