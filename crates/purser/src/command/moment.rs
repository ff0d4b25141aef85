//! Times and days as people write them.

use chrono::NaiveDate;
use model::PlainTime;

/// A time of UTC; a day counts from its first moment.
pub(super) fn parse(text: &str) -> Result<PlainTime, String> {
    let time = text.parse().or_else(|_| format!("{text} 00:00:00").parse());
    time.map_err(|_| "must be a time like 2026-01-31 or \"2026-01-31 13:00:00\"".to_owned())
}

/// A day of the years 1 to 9999.
pub(super) fn day(text: &str) -> Result<NaiveDate, String> {
    let day = text.parse().ok().filter(|day: &NaiveDate| day.to_string() == text && text > "0001" && text.len() == 10);
    day.ok_or_else(|| "must be a day like 2026-01-31".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_in_one_way() {
        assert_eq!(day("2026-02-28").map(|day| day.to_string()), Ok("2026-02-28".to_owned()));
        for bad in ["", "2026-02-29", "2026-2-28", "26-02-28", " 2026-02-28", "+10000-01-01", "0000-01-01", "today"] {
            assert!(day(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_day_counts_from_its_first_moment() {
        for (text, time) in [("2026-11-01", "2026-11-01 00:00:00"), ("2026-11-01 13:00:00", "2026-11-01 13:00:00")] {
            assert_eq!(parse(text).map(|time| time.to_string()), Ok(time.to_owned()), "{text}");
        }
        assert!(parse("2026-11-01T13:00:00Z").is_err());
    }
}
