//! How often one address may try wrong API keys.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use model::Timestamp;

const FAILURES_MAX: u32 = 10;
const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// Beyond this the oldest ones are forgotten: the memory stays small whoever calls.
const ADDRESSES_MAX: usize = 10_000;

/// Counts failed logins per address, in this process only.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoginLimit {
    failures: Arc<Mutex<HashMap<IpAddr, Failures>>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since: Timestamp,
}

impl LoginLimit {
    /// For how many seconds this address may not log in, if it may not now.
    pub(crate) fn blocked_seconds(&self, address: IpAddr, now: Timestamp) -> Option<u64> {
        let failures = self.lock().get(&network(address)).copied()?;
        let left = failures.since + WINDOW - now;
        if failures.count < FAILURES_MAX || left <= TimeDelta::zero() {
            return None;
        }
        u64::try_from(left.num_seconds()).ok().map(|seconds| seconds + 1)
    }

    /// Notes that a login from this address failed.
    pub(crate) fn failed(&self, address: IpAddr, now: Timestamp) {
        let mut failures = self.lock();
        let network = network(address);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&network) {
            make_room(&mut failures, now);
        }
        let entry = failures.entry(network).or_insert(Failures { count: 0, since: now });
        if entry.since + WINDOW <= now {
            *entry = Failures { count: 0, since: now };
        }
        entry.count = entry.count.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(failures: &mut HashMap<IpAddr, Failures>, now: Timestamp) {
    failures.retain(|_, entry| entry.since + WINDOW > now);
    while failures.len() >= ADDRESSES_MAX {
        let Some(oldest) = failures.iter().min_by_key(|(_, entry)| entry.since).map(|(address, _)| *address) else {
            return;
        };
        failures.remove(&oldest);
    }
}

/// Whoever has one IPv6 address has the other 2⁶⁴ of its network, too.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use model::{Clock, ManualClock, SystemClock};

    use super::*;

    #[test]
    fn an_address_is_blocked_until_its_window_is_over() {
        let (limit, clock) = (LoginLimit::default(), ManualClock::new(SystemClock.now()));
        let (ada, bob): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..FAILURES_MAX {
            assert_eq!(limit.blocked_seconds(ada, clock.now()), None);
            limit.failed(ada, clock.now());
        }
        assert_eq!(limit.blocked_seconds(ada, clock.now()), Some(301));
        assert_eq!(limit.blocked_seconds(bob, clock.now()), None);
        clock.advance(WINDOW);
        assert_eq!(limit.blocked_seconds(ada, clock.now()), None);
        limit.failed(ada, clock.now());
        assert_eq!(limit.blocked_seconds(ada, clock.now()), None, "a new window begins");
    }

    #[test]
    fn neighbours_in_an_ipv6_network_count_as_one() {
        let (limit, now) = (LoginLimit::default(), SystemClock.now());
        for last in 0..FAILURES_MAX {
            limit.failed(format!("2001:db8::{last:x}").parse().unwrap(), now);
        }
        assert!(limit.blocked_seconds("2001:db8::ffff".parse().unwrap(), now).is_some());
        assert!(limit.blocked_seconds("2001:db8:0:1::1".parse().unwrap(), now).is_none());
    }

    #[test]
    fn the_memory_stays_small() {
        let (limit, clock) = (LoginLimit::default(), ManualClock::new(SystemClock.now()));
        for number in 0..ADDRESSES_MAX {
            let number = u32::try_from(number).unwrap();
            limit.failed(IpAddr::V4(number.into()), clock.now());
        }
        clock.advance(TimeDelta::seconds(1));
        let last = "192.0.2.1".parse().unwrap();
        limit.failed(last, clock.now());
        let failures = limit.lock();
        assert!(failures.len() == ADDRESSES_MAX && failures.contains_key(&last));
    }
}
