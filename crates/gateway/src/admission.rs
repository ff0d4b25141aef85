//! How many requests of one caller are worked on at once, so that one of them can't take the place of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Principal;

/// Counts requests under way per principal.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    requests_max: usize,
    under_way: Arc<Mutex<HashMap<Principal, usize>>>,
}

/// A request's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Admission,
    principal: Principal,
}

impl Admission {
    pub(crate) fn new(requests_max: usize) -> Self {
        Self { requests_max, under_way: Arc::default() }
    }

    /// A place for a request, if the principal has one left.
    pub(crate) fn admit(&self, principal: Principal) -> Option<Place> {
        let mut under_way = self.lock();
        let count = under_way.entry(principal).or_default();
        (*count < self.requests_max).then(|| {
            *count += 1;
            Place { admission: self.clone(), principal }
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Principal, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.admission.lock();
        if let Some(count) = under_way.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::CustomerId;

    use super::*;

    #[test]
    fn each_caller_has_so_many_places_and_gets_them_back() {
        let admission = Admission::new(2);
        let (ada, bob) = (Principal::Customer(CustomerId(1)), Principal::Customer(CustomerId(2)));
        let first = admission.admit(ada);
        let second = admission.admit(ada);
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(ada).is_none());
        assert!(admission.admit(bob).is_some());
        drop(first);
        assert!(admission.admit(ada).is_some());
        drop(second);
        assert!(admission.lock().is_empty());
    }
}
