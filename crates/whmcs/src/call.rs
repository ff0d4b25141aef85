//! The parameters of one call.

use std::fmt::Display;

/// An action with its parameters, as WHMCS spells them. Deliberately without `Debug`: credentials are added to it.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) action: &'static str,
    pub(crate) form: Vec<(String, String)>,
}

impl Call {
    pub(crate) fn new(action: &'static str) -> Self {
        Self { action, form: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Display + Copy) -> Self {
        self.form.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn with_some(self, name: &str, value: Option<impl Display + Copy>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds `name=1`, or nothing where it is `false`, which is WHMCS's default.
    pub(crate) fn with_flag(self, name: &str, value: bool) -> Self {
        if value { self.with(name, 1) } else { self }
    }
}
