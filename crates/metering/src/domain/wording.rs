//! How replies word what billing stores.

/// A payment period: `monthly`, `yearly`, or the term itself.
pub(crate) fn period(term: &str) -> &str {
    match term {
        "1M" => "monthly",
        "1Y" | "12M" => "yearly",
        other => other,
    }
}

/// A service's state, as far as its customer is concerned.
pub(crate) fn status(state: &str) -> &'static str {
    match state {
        "running" => "active",
        "deleting" => "cancelled",
        _ => "suspended",
    }
}
