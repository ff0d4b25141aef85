//! What is done once a step has committed, and not where it has failed.

use std::fmt;

/// For counting; anything that can fail belongs in the step itself.
#[derive(Default)]
pub(crate) struct AfterCommit(Vec<Box<dyn FnOnce() + Send + Sync>>);

impl AfterCommit {
    pub(crate) fn add(&mut self, act: impl FnOnce() + Send + Sync + 'static) {
        self.0.push(Box::new(act));
    }

    pub(crate) fn run(self) {
        self.0.into_iter().for_each(|act| act());
    }
}

impl fmt::Debug for AfterCommit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AfterCommit").field(&self.0.len()).finish()
    }
}
