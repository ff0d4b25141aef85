//! How many requests are worked on at once: in all, for one role, and for one caller. One caller, or one role that
//! doesn't answer, can't take the place of all others; and what is too much is refused before it costs anything.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use messages::RoleName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for all requests. Those for one role have half of them; a caller's only one may have any, so that many who
/// ask for much leave something to those who ask for little.
#[derive(Debug, Clone)]
pub(crate) struct Capacity {
    all: Arc<Semaphore>,
    roles: Admission<RoleName>,
}

/// A request's place among all.
#[derive(Debug)]
pub(crate) struct CapacityPlace {
    _of_all: OwnedSemaphorePermit,
    _of_role: Option<Place<RoleName>>,
}

impl Capacity {
    pub(crate) fn new(requests_max: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(requests_max)), roles: Admission::new(requests_max.div_ceil(2)) }
    }

    /// A place for a request that `role` is to answer, if there is one left; `is_only`: its caller has no other under way.
    pub(crate) fn admit(&self, role: RoleName, is_only: bool) -> Option<CapacityPlace> {
        let of_role = self.roles.admit(role);
        if of_role.is_none() && !is_only {
            return None;
        }
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(CapacityPlace { _of_all: of_all, _of_role: of_role })
    }
}

/// Counts requests under way per caller, as a key names them.
#[derive(Debug)]
pub(crate) struct Admission<K> {
    requests_max: usize,
    under_way: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K> Clone for Admission<K> {
    fn clone(&self) -> Self {
        Self { requests_max: self.requests_max, under_way: Arc::clone(&self.under_way) }
    }
}

/// A request's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash> {
    admission: Admission<K>,
    key: K,
    /// Whether its caller had no other when it was given.
    pub(crate) is_only: bool,
}

impl<K: Clone + Eq + Hash> Admission<K> {
    pub(crate) fn new(requests_max: usize) -> Self {
        Self { requests_max, under_way: Arc::default() }
    }

    /// A place for a request, if its caller has one left.
    pub(crate) fn admit(&self, key: K) -> Option<Place<K>> {
        let mut under_way = self.lock();
        let count = under_way.entry(key.clone()).or_default();
        (*count < self.requests_max).then(|| {
            *count += 1;
            Place { admission: self.clone(), key, is_only: *count == 1 }
        })
    }
}

impl<K> Admission<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut under_way = self.admission.lock();
        if let Some(count) = under_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{CustomerId, Principal};

    use super::*;

    #[test]
    fn one_role_has_half_of_the_places_and_all_roles_have_no_more_than_there_are() {
        let capacity = Capacity::new(3);
        let billing = [capacity.admit(RoleName::Billing, false), capacity.admit(RoleName::Billing, false)];
        assert!(billing.iter().all(Option::is_some));
        assert!(capacity.admit(RoleName::Billing, false).is_none());
        let metering = capacity.admit(RoleName::Metering, false);
        assert!(metering.is_some());
        assert!(capacity.admit(RoleName::Metering, false).is_none());
        drop(billing);
        assert!(capacity.admit(RoleName::Metering, false).is_some());
        assert!(capacity.admit(RoleName::Provisioner, false).is_some());
    }

    #[test]
    fn a_caller_s_only_request_finds_a_place_beside_a_flood() {
        let (capacity, admission) = (Capacity::new(4), Admission::new(9));
        let flood: Vec<_> = (0..9).filter_map(|_| admission.admit("flood")).collect();
        let flooding: Vec<_> = flood.iter().map(|place| capacity.admit(RoleName::Billing, place.is_only)).collect();
        assert_eq!(flooding.iter().flatten().count(), 2);
        let polite = admission.admit("polite").expect("a place");
        assert!(capacity.admit(RoleName::Billing, polite.is_only).is_some());
    }

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
