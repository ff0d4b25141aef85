//! What must hold for any bytes that arrive as a bucket notification. `fuzz/` has this file and the parser as modules of
//! its own: this crate would bring it the whole AWS SDK.

use serde_json::Value;

use crate::domain::notification::changed_buckets;

/// A notification's body.
///
/// # Panics
/// Where another writing of the same notification is read differently.
pub(crate) fn notification(body: &[u8]) {
    let Ok(buckets) = changed_buckets(body) else { return };
    // Numbers that no `Value` holds are passed over where nobody reads them.
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    let again = changed_buckets(value.to_string().as_bytes()).expect("what was read can be read again");
    assert_eq!(again, buckets);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_of_notifications_holds() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/event");
        for entry in std::fs::read_dir(dir).unwrap() {
            super::notification(&std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
}
