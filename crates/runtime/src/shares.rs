//! How much of a role one caller may have: the flood of one of them must not keep the others waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one kind of requests. A caller may have half of them, and do half of the work.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    working: Arc<Semaphore>,
    working_each_max: usize,
    in_hand_each_max: usize,
    callers: Arc<Mutex<HashMap<Principal, Caller>>>,
}

#[derive(Debug)]
struct Caller {
    in_hand: usize,
    working: Arc<Semaphore>,
}

/// A request's place among those in hand; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shares: Shares,
    principal: Principal,
    own_turn: Arc<Semaphore>,
}

/// While this lives, the request may be worked on.
#[derive(Debug)]
pub(crate) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _common: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// For a consumer that takes `in_hand_max` requests and works on `working_max` of them.
    pub(crate) fn new(working_max: u16, in_hand_max: u16) -> Self {
        let half = |all: u16| usize::from(all).div_ceil(2);
        Self {
            working: Arc::new(Semaphore::new(working_max.into())),
            working_each_max: half(working_max),
            in_hand_each_max: half(in_hand_max),
            callers: Arc::default(),
        }
    }

    /// A place for a request, if its caller has one left.
    pub(crate) fn place(&self, principal: Principal) -> Option<Place> {
        self.enter(principal, self.in_hand_each_max)
    }

    /// A place in any case, for a request that has waited for it. It counts: as long as such a caller has a lot in hand,
    /// what they send meanwhile waits behind it.
    pub(crate) fn any_place(&self, principal: Principal) -> Option<Place> {
        self.enter(principal, usize::MAX)
    }

    fn enter(&self, principal: Principal, in_hand_max: usize) -> Option<Place> {
        let mut callers = self.lock();
        let caller = callers
            .entry(principal)
            .or_insert_with(|| Caller { in_hand: 0, working: Arc::new(Semaphore::new(self.working_each_max)) });
        (caller.in_hand < in_hand_max).then(|| {
            caller.in_hand += 1;
            Place { shares: self.clone(), principal, own_turn: Arc::clone(&caller.working) }
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Principal, Caller>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until it is this request's turn: first among its caller's, then among all.
    pub(crate) async fn turn(&self) -> Turn {
        // Nobody closes these semaphores.
        let own = Arc::clone(&self.own_turn).acquire_owned().await.ok();
        let common = Arc::clone(&self.shares.working).acquire_owned().await.ok();
        Turn { _own: own, _common: common }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut callers = self.shares.lock();
        if let Some(caller) = callers.get_mut(&self.principal) {
            caller.in_hand -= 1;
            if caller.in_hand == 0 {
                callers.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use model::CustomerId;

    use super::*;

    const ADA: Principal = Principal::Customer(CustomerId(1));
    const BOB: Principal = Principal::Customer(CustomerId(2));

    #[test]
    fn a_caller_has_half_of_the_places_and_gets_them_back() {
        let shares = Shares::new(1, 4);
        let places = [shares.place(ADA), shares.place(ADA)];
        assert!(places.iter().all(Option::is_some));
        assert!(shares.place(ADA).is_none());
        assert!(shares.place(BOB).is_some());
        let [first, second] = places;
        drop(first);
        let waited = [shares.any_place(ADA), shares.any_place(ADA)];
        assert!(waited.iter().all(Option::is_some));
        assert!(shares.place(ADA).is_none(), "what has waited counts");
        drop((second, waited));
        assert!(shares.place(ADA).is_some());
        assert!(shares.lock().is_empty());
    }

    #[test]
    fn a_caller_does_half_of_the_work_while_the_rest_waits() {
        let shares = Shares::new(4, 16);
        let ada: Vec<_> = (0..3).map(|_| shares.place(ADA).unwrap()).collect();
        let first = ada[0].turn().now_or_never().expect("its turn");
        let _second = ada[1].turn().now_or_never().expect("its turn");
        assert!(ada[2].turn().now_or_never().is_none());
        let bob = shares.place(BOB).unwrap();
        assert!(bob.turn().now_or_never().is_some());
        drop(first);
        assert!(ada[2].turn().now_or_never().is_some());
    }

    #[test]
    fn all_together_do_no_more_than_there_is_room_for() {
        let shares = Shares::new(1, 8);
        let (ada, bob) = (shares.place(ADA).unwrap(), shares.place(BOB).unwrap());
        let turn = ada.turn().now_or_never();
        assert!(turn.is_some() && bob.turn().now_or_never().is_none());
        drop(turn);
        assert!(bob.turn().now_or_never().is_some());
    }
}
