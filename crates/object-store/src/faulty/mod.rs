//! A wrapper that makes any store's calls fail, wait or hang, as a test's script says.

mod calls;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::{ObjectStore, StoreError};

/// The methods of [`ObjectStore`], by which faults are scripted and calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Method {
    CreateUser,
    User,
    DeleteUser,
    ReplaceKeys,
    SetAccess,
    SetUserQuota,
    Users,
    Keys,
    AddKeys,
    RemoveKey,
    SetMaxBuckets,
    SetBucketQuota,
    Buckets,
    Bucket,
    CreateBucket,
    DeleteBucket,
    PurgeBucket,
    BucketUsages,
    Usage,
    UsageOfAll,
    TrimUsage,
    ProbeLog,
    PutObject,
    GetObject,
    Object,
    DeleteObject,
    ListObjects,
    DeleteObjects,
    ListObjectVersions,
    PutTopic,
    Notify,
    NotifiedTopic,
    Administrator,
    Health,
}

/// What happens to one call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: the call goes through. For scripts whose first calls succeed.
    Pass,
    /// Reports [`StoreError::Unavailable`] and does nothing.
    Fail,
    /// Reports this error and does nothing.
    FailWith(StoreError),
    /// Does the work, then reports [`StoreError::Unavailable`]: an answer that got lost.
    FailAfter,
    /// Does the work after this time.
    Delay(Duration),
    /// Does the work once the gate is open.
    Hold(Gate),
    /// Does the work at once and answers once the gate is open.
    HoldAfter(Gate),
}

/// Holds calls until it is opened; clones are the same gate. A gate that nobody opens holds for ever.
#[derive(Debug, Clone)]
pub struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Sender<u64>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: watch::Sender::new(false), arrived: watch::Sender::new(0) }
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets pass every call that waits or comes later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until `calls` calls have arrived at the gate, counted since it was made.
    pub async fn arrived(&self, calls: u64) {
        let _ = self.arrived.subscribe().wait_for(|arrived| *arrived >= calls).await;
    }

    async fn pass(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// A store whose next calls meet the scripted faults; without a script it only counts. Clones share script and counts.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    faults: HashMap<Method, VecDeque<Fault>>,
    calls: HashMap<Method, u64>,
}

impl FaultyStore {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, script: Arc::default() }
    }

    /// Adds faults for the coming calls of `method`: one for each call, in order; calls after them go through.
    pub fn script(&self, method: Method, faults: impl IntoIterator<Item = Fault>) {
        self.locked().faults.entry(method).or_default().extend(faults);
    }

    /// How often `method` was called, failed calls included.
    pub fn calls(&self, method: Method) -> u64 {
        self.locked().calls.get(&method).copied().unwrap_or(0)
    }

    /// How many scripted faults of `method` no call has met yet.
    pub fn pending(&self, method: Method) -> usize {
        self.locked().faults.get(&method).map_or(0, VecDeque::len)
    }

    fn locked(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run<T>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = {
            let mut script = self.locked();
            *script.calls.entry(method).or_default() += 1;
            script.faults.get_mut(&method).and_then(VecDeque::pop_front).unwrap_or(Fault::Pass)
        };
        match fault {
            Fault::Pass => call.await,
            Fault::Fail => Err(injected(method)),
            Fault::FailWith(error) => Err(error),
            Fault::FailAfter => call.await.and_then(|_| Err(injected(method))),
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                call.await
            }
            Fault::Hold(gate) => {
                gate.pass().await;
                call.await
            }
            Fault::HoldAfter(gate) => {
                let answer = call.await;
                gate.pass().await;
                answer
            }
        }
    }
}

fn injected(method: Method) -> StoreError {
    StoreError::Unavailable(format!("injected into {method:?}"))
}

#[cfg(test)]
mod tests {
    use model::{S3Uid, SystemClock, Timestamp};

    use super::*;
    use crate::memory::MemoryStore;
    use crate::{Access, AckLevel, NewUser, S3Keys, Topic};

    fn store() -> FaultyStore {
        FaultyStore::new(Arc::new(MemoryStore::new(Arc::new(SystemClock))))
    }

    fn new_user() -> NewUser {
        NewUser { uid: S3Uid::random(), display_name: "Ada".into(), keys: S3Keys::generate(), max_buckets: 1 }
    }

    #[tokio::test]
    async fn faults_come_once_in_their_order_and_every_call_counts() {
        let (store, user) = (store(), new_user());
        store.script(Method::CreateUser, [Fault::Fail, Fault::FailAfter]);
        assert!(store.create_user(&user).await.unwrap_err().is_retryable());
        assert_eq!(store.user(&user.uid).await.unwrap(), None, "Fail does nothing");
        assert!(store.create_user(&user).await.unwrap_err().is_retryable());
        assert!(store.user(&user.uid).await.unwrap().is_some(), "FailAfter does the work");
        store.create_user(&user).await.unwrap();
        assert_eq!((store.calls(Method::CreateUser), store.pending(Method::CreateUser)), (3, 0));
        assert_eq!((store.calls(Method::User), store.calls(Method::Health)), (2, 0));
    }

    #[tokio::test]
    async fn a_failed_call_s_own_error_is_kept() {
        let (store, mut user) = (store(), new_user());
        user.max_buckets = 0;
        store.script(Method::CreateUser, [Fault::FailAfter]);
        assert!(matches!(store.create_user(&user).await, Err(StoreError::Refused { .. })));
        store.script(Method::Health, [Fault::Pass, Fault::FailWith(StoreError::Misconfigured("caps".into()))]);
        store.health().await.unwrap();
        assert_eq!(store.health().await, Err(StoreError::Misconfigured("caps".into())));
    }

    #[tokio::test]
    async fn a_gate_holds_a_call_before_or_after_its_work() {
        let (store, user) = (store(), new_user());
        for (fault, done_while_held) in [(Fault::Hold as fn(Gate) -> Fault, false), (Fault::HoldAfter, true)] {
            store.delete_user(&user.uid).await.unwrap();
            let gate = Gate::new();
            store.script(Method::CreateUser, [fault(gate.clone())]);
            let held = tokio::spawn({
                let (store, user) = (store.clone(), user.clone());
                async move { store.create_user(&user).await }
            });
            gate.arrived(1).await;
            assert_eq!(store.user(&user.uid).await.unwrap().is_some(), done_while_held);
            assert!(!held.is_finished());
            gate.open();
            held.await.unwrap().unwrap();
            assert!(store.user(&user.uid).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn each_call_meets_the_faults_of_its_own_method() {
        let (store, user) = (store(), new_user());
        let (uid, keys, bucket) = (&user.uid, &user.keys, "some-bucket".parse().unwrap());
        let hour = Timestamp::UNIX_EPOCH;
        let topic = Topic {
            name: "topic".into(),
            push_endpoint: "amqp://127.0.0.1".into(),
            exchange: "exchange".into(),
            ack_level: AckLevel::None,
            persistent: false,
        };
        macro_rules! assert_faults {
            ($($method:ident: $call:expr),* $(,)?) => {$(
                store.script(Method::$method, [Fault::Fail]);
                assert_eq!($call.await.unwrap_err(), injected(Method::$method));
                assert_eq!((store.calls(Method::$method), store.pending(Method::$method)), (1, 0));
            )*};
        }
        assert_faults! {
            ReplaceKeys: store.replace_keys(uid, keys),
            SetAccess: store.set_access(uid, Access::Suspended),
            Users: store.users(None, 1),
            Keys: store.keys(uid),
            AddKeys: store.add_keys(uid, keys),
            RemoveKey: store.remove_key(uid, "key"),
            SetMaxBuckets: store.set_max_buckets(uid, 1),
            SetBucketQuota: store.set_bucket_quota(uid, None),
            Buckets: store.buckets(None, 1),
            Bucket: store.bucket("some-bucket"),
            UsageOfAll: store.usage_of_all(hour),
            TrimUsage: store.trim_usage(uid, hour, hour),
            ProbeLog: store.probe_log(),
            Object: store.object(keys, &bucket, "key"),
            DeleteObjects: store.delete_objects(keys, &bucket, &[]),
            ListObjectVersions: store.list_object_versions(keys, &bucket, None, 1),
            PutTopic: store.put_topic(&topic),
            Notify: store.notify(keys, "some-bucket", "topic"),
            NotifiedTopic: store.notified_topic(keys, "some-bucket"),
            Administrator: store.administrator(),
        }
        assert!(store.is_available());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_takes_its_time() {
        let store = store();
        let before = tokio::time::Instant::now();
        store.script(Method::Health, [Fault::Delay(Duration::from_secs(3))]);
        store.health().await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(3));
    }
}
