//! Text as HTML.

use anyhow::Result;
use serde_json::Value;

/// Text that is shown as it is.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code` in it.
pub(super) fn prose(text: &str) -> String {
    let escaped = escape(text);
    let parts = escaped.split('`').enumerate();
    parts
        .map(|(index, part)| if index % 2 == 0 { part.to_owned() } else { ["<code>", part, "</code>"].concat() })
        .collect()
}

/// JSON over several lines, always in the same order.
pub(super) fn json(value: &Value) -> Result<String> {
    let mut value = value.clone();
    value.sort_all_objects();
    Ok(serde_json::to_string_pretty(&value)?)
}
