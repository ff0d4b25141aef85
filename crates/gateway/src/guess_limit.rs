//! How often one address may try API keys, tokens or callback keys that don't exist.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use model::Timestamp;

const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// Beyond this the oldest ones are forgotten: the memory stays small whoever calls.
const ADDRESSES_MAX: usize = 10_000;
/// The same for what was found to exist.
const KNOWN_MAX: usize = 20_000;

/// Counts failed tries per address, in this process only.
///
/// What this process has found to exist isn't a guess: whoever has it is let through, also from an address that is
/// blocked because of somebody else.
#[derive(Debug, Clone)]
pub(crate) struct GuessLimit {
    failures_max: u32,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    failures: HashMap<IpAddr, Failures>,
    known: HashSet<Vec<u8>>,
    /// Those before the last half of [`KNOWN_MAX`].
    known_before: HashSet<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since: Timestamp,
}

impl GuessLimit {
    /// Blocks an address for the rest of five minutes after so many failures within them.
    pub(crate) fn new(failures_max: u32) -> Self {
        Self { failures_max, memory: Arc::default() }
    }

    /// For how many seconds nothing with this digest is looked up for this address, if it isn't now.
    pub(crate) fn blocked_seconds(&self, address: IpAddr, digest: &[u8], now: Timestamp) -> Option<u64> {
        let memory = self.lock();
        let failures = memory.failures.get(&network(address)).copied()?;
        let left = failures.since + WINDOW - now;
        let is_blocked = failures.count >= self.failures_max && left > TimeDelta::zero();
        if !is_blocked || memory.known.contains(digest) || memory.known_before.contains(digest) {
            return None;
        }
        u64::try_from(left.num_seconds()).ok().map(|seconds| seconds + 1)
    }

    /// Notes that what came from this address doesn't exist.
    pub(crate) fn failed(&self, address: IpAddr, now: Timestamp) {
        let failures = &mut self.lock().failures;
        let network = network(address);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&network) {
            make_room(failures, now);
        }
        let entry = failures.entry(network).or_insert(Failures { count: 0, since: now });
        if entry.since + WINDOW <= now {
            *entry = Failures { count: 0, since: now };
        }
        entry.count = entry.count.saturating_add(1);
    }

    /// Notes that there is something with this digest.
    pub(crate) fn succeeded(&self, digest: &[u8]) {
        let mut memory = self.lock();
        if memory.known.contains(digest) {
            return;
        }
        if memory.known.len() >= KNOWN_MAX / 2 {
            memory.known_before = std::mem::take(&mut memory.known);
        }
        memory.known.insert(digest.to_vec());
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
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

    const MAX: u32 = 10;

    #[test]
    fn an_address_is_blocked_until_its_window_is_over() {
        let (limit, clock) = (GuessLimit::new(MAX), ManualClock::new(SystemClock.now()));
        let (ada, bob): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..MAX {
            assert_eq!(limit.blocked_seconds(ada, b"guess", clock.now()), None);
            limit.failed(ada, clock.now());
        }
        assert_eq!(limit.blocked_seconds(ada, b"guess", clock.now()), Some(301));
        assert_eq!(limit.blocked_seconds(bob, b"guess", clock.now()), None);
        clock.advance(WINDOW);
        assert_eq!(limit.blocked_seconds(ada, b"guess", clock.now()), None);
        limit.failed(ada, clock.now());
        assert_eq!(limit.blocked_seconds(ada, b"guess", clock.now()), None, "a new window begins");
    }

    #[test]
    fn what_exists_is_no_guess() {
        let (limit, now) = (GuessLimit::new(1), SystemClock.now());
        let address = "192.0.2.1".parse().unwrap();
        limit.succeeded(b"token");
        limit.failed(address, now);
        assert_eq!(limit.blocked_seconds(address, b"token", now), None);
        assert!(limit.blocked_seconds(address, b"guess", now).is_some());
    }

    #[test]
    fn neighbours_in_an_ipv6_network_count_as_one() {
        let (limit, now) = (GuessLimit::new(MAX), SystemClock.now());
        for last in 0..MAX {
            limit.failed(format!("2001:db8::{last:x}").parse().unwrap(), now);
        }
        assert!(limit.blocked_seconds("2001:db8::ffff".parse().unwrap(), b"guess", now).is_some());
        assert!(limit.blocked_seconds("2001:db8:0:1::1".parse().unwrap(), b"guess", now).is_none());
    }

    #[test]
    fn the_memory_stays_small() {
        let (limit, clock) = (GuessLimit::new(MAX), ManualClock::new(SystemClock.now()));
        for number in 0..ADDRESSES_MAX {
            let number = u32::try_from(number).unwrap();
            limit.failed(IpAddr::V4(number.into()), clock.now());
        }
        clock.advance(TimeDelta::seconds(1));
        let last = "192.0.2.1".parse().unwrap();
        limit.failed(last, clock.now());
        for number in 0..2 * KNOWN_MAX {
            limit.succeeded(&number.to_be_bytes());
        }
        let memory = limit.lock();
        assert!(memory.failures.len() == ADDRESSES_MAX && memory.failures.contains_key(&last));
        assert!(memory.known.len() + memory.known_before.len() <= KNOWN_MAX);
    }
}
