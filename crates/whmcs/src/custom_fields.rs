//! Custom fields: base64 of what PHP's `serialize` makes of an array.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::lenient;

/// A field that an operator has added to a product, with the value of one service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomField {
    /// The field's number.
    #[serde(deserialize_with = "lenient::int")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: String,
    /// What stands in it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub value: String,
}

/// Values by their fields' numbers, as WHMCS takes them.
pub(crate) fn encode(fields: &BTreeMap<u32, String>) -> String {
    STANDARD.encode(serialize(fields))
}

fn serialize(fields: &BTreeMap<u32, String>) -> String {
    let mut text = format!("a:{}:{{", fields.len());
    for (id, value) in fields {
        // Writing to a string can't fail.
        let _ = write!(text, "i:{id};s:{}:\"{value}\";", value.len());
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_php_does() {
        let fields = |pairs: &[(u32, &str)]| pairs.iter().map(|(id, value)| (*id, (*value).to_owned())).collect();
        for (pairs, expected) in [
            (&[][..], "a:0:{}"),
            (&[(1, "Google")], "a:1:{i:1;s:6:\"Google\";}"),
            (&[(7, "größer")], "a:1:{i:7;s:8:\"größer\";}"),
            (&[(2, "a\"b"), (1, "")], "a:2:{i:1;s:0:\"\";i:2;s:3:\"a\"b\";}"),
        ] {
            assert_eq!(serialize(&fields(pairs)), expected);
        }
        assert_eq!(encode(&fields(&[(1, "Google")])), "YToxOntpOjE7czo2OiJHb29nbGUiO30=");
    }
}
