//! Durations as people write them: `30d`, `12h`, `1d12h`.

use chrono::TimeDelta;

const RULE: &str = "must be a number and a unit (s, m, h, d, w), for example 30d or 1d12h";
/// A century: whatever is meant to last longer is a typing error.
const DAYS_MAX: i64 = 36_500;

/// A positive duration of at most a century.
pub(crate) fn parse(text: &str) -> Result<TimeDelta, String> {
    let mut seconds: i64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit_and_rest) = rest.split_at(digits);
        let unit = unit_and_rest.chars().next().ok_or(RULE)?;
        let unit_seconds = match unit.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(RULE.to_owned()),
        };
        let number: i64 = number.parse().map_err(|_| RULE)?;
        seconds = number.checked_mul(unit_seconds).and_then(|part| seconds.checked_add(part)).ok_or(RULE)?;
        rest = &unit_and_rest[unit.len_utf8()..];
    }
    match TimeDelta::try_seconds(seconds) {
        Some(duration) if duration > TimeDelta::zero() && duration <= TimeDelta::days(DAYS_MAX) => Ok(duration),
        _ if seconds == 0 => Err(RULE.to_owned()),
        _ => Err(format!("must be at most {DAYS_MAX}d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        for (text, seconds) in
            [("45s", 45), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2W", 1_209_600), ("1d12h", 129_600)]
        {
            assert_eq!(parse(text), Ok(TimeDelta::seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "30", "d", "0d", "-1d", "1.5h", "1y", "1d 12h", "99999999999999999999d", "9999999999999w", "1é"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("36501d"), Err("must be at most 36500d".to_owned()));
    }
}
