//! What must be so, counted and shown line by line.

/// The checks so far.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    passed: usize,
    failed: Vec<String>,
}

impl Checks {
    /// Notes and shows one.
    pub(super) fn check(&mut self, what: impl Into<String>, holds: bool) {
        let what = what.into();
        println!("   {} {what}", if holds { "ok   " } else { "WRONG" });
        if holds {
            self.passed += 1;
        } else {
            self.failed.push(what);
        }
    }

    /// [`Checks::check`] that two values are equal; shows both where they aren't.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found == expected {
            self.check(format!("{what}: {found:?}"), true);
        } else {
            self.check(format!("{what}: {found:?}, but expected {expected:?}"), false);
        }
    }

    /// Whether nothing was wrong.
    pub(crate) fn all_passed(&self) -> bool {
        self.failed.is_empty()
    }

    /// One line for the end.
    pub(crate) fn summary(&self) -> String {
        if self.all_passed() {
            return format!("all {} checks passed", self.passed);
        }
        format!(
            "{} of {} checks failed: {}",
            self.failed.len(),
            self.failed.len() + self.passed,
            self.failed.join("; ")
        )
    }
}
