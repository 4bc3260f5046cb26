//! Owns rates: how many requests of one token or address may come at once and after that. Refuses to decide
//! who is asked: the caller chooses quota and key.
//!
//! The rule is GCRA (ITU-T I.371, the „virtual scheduling“ form): one number per key, the moment up to which
//! its requests are paid for. One node keeps it in its memory; with Redis all nodes share it, and a script
//! there does the same arithmetic in one step. Time is an argument in both: nodes keep their clocks together.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use redis::{
    Client, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use skaas_domain::{
    id::{OauthGrantId, TokenId},
    network::Network,
    secret::SecretHash,
};

use crate::{
    counted,
    error::{Result, StoreError},
};

/// How many requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What is counted: a word in snake case, part of the key.
    pub name: &'static str,
    /// How many may come at once; at least one.
    pub burst: u32,
    /// After how long one more may come; at least a microsecond.
    pub every: Duration,
}

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An api token's.
    Token(TokenId),
    /// Those of an OAuth client in one user's name, whatever token it has at the moment.
    OauthGrant(OauthGrantId),
    /// Those from one place, where nobody says who they are.
    Network(Network),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => id.fmt(f),
            Self::OauthGrant(id) => id.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Admitted,
    /// It may not.
    Limited {
        /// After how long it may.
        retry_after: Duration,
    },
}

/// Where requests are counted. Cheap to clone; clones share everything.
#[derive(Clone)]
pub enum Rate {
    /// In this process: for one node.
    InProcess(Arc<Counts>),
    /// In Redis: for all nodes that share it.
    Redis(Arc<Shared>),
}

impl fmt::Debug for Rate {
    /// Without the address: there may be a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProcess(_) => "Rate::InProcess",
            Self::Redis(_) => "Rate::Redis",
        })
    }
}

/// Of each key, up to when its requests are paid for, in microseconds since 1970.
#[derive(Default)]
pub struct Counts(Mutex<Keys>);

#[derive(Default)]
struct Keys {
    paid: HashMap<Key, i64>,
    /// With how many keys those are looked for next that need not be kept.
    sweep_at: usize,
}

/// Quotas are few and differ by name.
type Key = (&'static str, Subject);

/// The fewest keys that are worth a search for old ones.
const KEYS: usize = 10_000;

/// A connection to Redis that mends itself, and what takes its place meanwhile.
pub struct Shared {
    connection: ConnectionManager,
    script: Script,
    /// What this node counts while Redis is away.
    here: Counts,
    /// From when on Redis is asked again, in microseconds since 1970; [`NOT_LOST`] while it answers.
    lost_until: AtomicI64,
}

/// Longer than a Redis of one's own ever takes; whoever waits here is a request.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long nobody asks a Redis that did not answer; after that one request does, in microseconds.
const PAUSE: i64 = 5_000_000;
const NOT_LOST: i64 = i64::MIN;

/// [`gcra`], there. The answer is the microseconds to wait, 0 for none. The key is kept a minute longer than
/// it says anything, for nodes whose clocks differ; numbers stay below 2^53 until the year 2255.
const SCRIPT: &str = "
local paid = tonumber(redis.call('GET', KEYS[1]) or '0')
local now, every, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if paid > now + every * burst then paid = now end
local next_paid = math.max(paid, now) + every
local wait = next_paid - every * burst - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', next_paid), 'PX', math.ceil((next_paid - now) / 1000) + 60000)
return 0
";

/// A quota in whole microseconds.
#[derive(Clone, Copy)]
struct Terms {
    every: i64,
    burst: i64,
}

impl From<&Quota> for Terms {
    fn from(quota: &Quota) -> Self {
        let every = i64::try_from(quota.every.as_micros()).unwrap_or(i64::MAX);
        // A year for one request is as good as never; more would not fit what follows.
        Self { every: every.clamp(1, 31_536_000_000_000), burst: i64::from(quota.burst.max(1)) }
    }
}

/// The law: `Ok` with up to when the key's requests are paid for now, or `Err` with how long to wait.
fn gcra(paid: i64, now: i64, terms: Terms) -> Result<i64, i64> {
    // Nothing is ever paid further ahead than a burst: the clock was ahead when this was counted.
    let furthest = now.saturating_add(terms.every.saturating_mul(terms.burst));
    let paid = if paid > furthest { now } else { paid };
    let next = paid.max(now).saturating_add(terms.every);
    let wait = next.saturating_sub(terms.every.saturating_mul(terms.burst)).saturating_sub(now);
    if wait > 0 { Err(wait) } else { Ok(next) }
}

impl Counts {
    /// The microseconds to wait; 0 for none, and then it is taken.
    fn take(&self, key: Key, now: i64, terms: Terms) -> i64 {
        // A panic cannot leave it half-changed: every change is of one number.
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys.paid.get_mut(&key);
        match (gcra(known.as_deref().copied().unwrap_or(i64::MIN), now, terms), known) {
            (Err(wait), _) => return wait,
            (Ok(next), Some(paid)) => *paid = next,
            (Ok(next), None) => {
                keys.paid.insert(key, next);
                if keys.paid.len() > keys.sweep_at.max(KEYS) {
                    keys.paid.retain(|_, paid| *paid > now);
                    keys.sweep_at = keys.paid.len() * 2;
                }
            }
        }
        0
    }
}

impl Rate {
    /// Counts in this process.
    pub fn in_process() -> Self {
        Self::InProcess(Arc::default())
    }

    /// Counts in the Redis at `url` (`redis://[user:password@]host[:port][/database]`). Whether it answers is
    /// seen at the first request: a node starts without it.
    ///
    /// # Errors
    /// [`StoreError::Config`] for an address that cannot work.
    pub fn redis(url: &str) -> Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        let client = Client::open(url).map_err(refused)?;
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(refused)?;
        Ok(Self::Redis(Arc::new(Shared {
            connection,
            script: Script::new(SCRIPT),
            here: Counts::default(),
            lost_until: AtomicI64::new(NOT_LOST),
        })))
    }

    /// Reads the address of a Redis without connecting.
    ///
    /// # Errors
    /// [`StoreError::Config`] for an address that cannot work.
    pub fn check_url(url: &str) -> Result<()> {
        Client::open(url).map(drop).map_err(refused)
    }

    /// Takes one request of `subject` out of `quota`. While Redis does not answer, this node counts by itself.
    /// Whose request it is leaves this process as a hash only.
    pub async fn take(&self, quota: &Quota, subject: Subject, now: Timestamp) -> Verdict {
        let (key, now, terms) = ((quota.name, subject), now.as_microsecond(), Terms::from(quota));
        let wait = match self {
            Self::InProcess(counts) => counts.take(key, now, terms),
            // Boxed: the way over the network would make every request's future larger.
            Self::Redis(shared) => match Box::pin(shared.take(key, now, terms)).await {
                Some(wait) => wait,
                None => shared.here.take(key, now, terms),
            },
        };
        match u64::try_from(wait) {
            Ok(micros) if micros > 0 => Verdict::Limited { retry_after: Duration::from_micros(micros) },
            _ => Verdict::Admitted,
        }
    }

    /// Asks whether the one who counts is there: this process always is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what keeps Redis from answering.
    pub async fn check(&self) -> Result<()> {
        let Self::Redis(shared) = self else { return Ok(()) };
        let (ping, mut connection) = (redis::cmd("PING"), shared.connection.clone());
        match tokio::time::timeout(PATIENCE, ping.query_async::<()>(&mut connection)).await {
            Ok(answer) => answer.map_err(|error| StoreError::Unavailable(error.into())),
            Err(late) => Err(StoreError::Unavailable(late.into())),
        }
    }
}

/// Says that an address cannot be used. It may hold a password, so it is not repeated.
fn refused(_: redis::RedisError) -> StoreError {
    StoreError::Config(
        "REDIS_URL cannot be used: it has the form redis://user:password@host:6379/0".to_owned(),
    )
}

impl Shared {
    /// What Redis says; `None` while it says nothing.
    async fn take(&self, key: Key, now: i64, terms: Terms) -> Option<i64> {
        if !self.is_asked(now) {
            return None;
        }
        let started = std::time::Instant::now();
        let reason = match tokio::time::timeout(PATIENCE, self.ask(key, now, terms)).await {
            Ok(Ok(wait)) => {
                counted::redis(started, "ok");
                if self.lost_until.swap(NOT_LOST, Ordering::Relaxed) != NOT_LOST {
                    tracing::info!(event = "rates_are_shared_again");
                }
                return Some(wait);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        counted::redis(started, "failed");
        // Once for all requests of one absence.
        if self.lost_until.swap(now.saturating_add(PAUSE), Ordering::Relaxed) == NOT_LOST {
            tracing::warn!(
                event = "rates_are_not_shared",
                reason,
                "Redis is away: each node counts by itself"
            );
        }
        None
    }

    /// Whether this request is one that asks Redis: while it is away, one in a while does.
    fn is_asked(&self, now: i64) -> bool {
        let until = self.lost_until.load(Ordering::Relaxed);
        // A clock that was set back does not keep Redis out for longer.
        let pauses = (1..=PAUSE).contains(&until.saturating_sub(now));
        let next = now.saturating_add(PAUSE);
        let is_first =
            || self.lost_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        until == NOT_LOST || (!pauses && is_first())
    }

    async fn ask(&self, key: Key, now: i64, terms: Terms) -> redis::RedisResult<i64> {
        let (name, subject) = key;
        let SecretHash(hash) = SecretHash::of(&format!("rate:{name}:{subject}"));
        let half = hash.first_chunk::<16>().expect("a SHA-256 has 32 bytes");
        let key = format!("skaas:rate:{name}:{:032x}", u128::from_be_bytes(*half));
        let mut script = self.script.key(key);
        script.arg(now).arg(terms.every).arg(terms.burst);
        script.invoke_async(&mut self.connection.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn subject(number: u32) -> Key {
        ("x", Subject::Network(Network::of(Ipv4Addr::from_bits(number).into())))
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let terms = Terms { every: 1_000_000, burst: 3 };
        let counts = Counts::default();
        let take = |second: i64| counts.take(subject(1), second * 1_000_000, terms);
        assert_eq!([take(0), take(0), take(0)], [0, 0, 0]);
        assert_eq!(take(0), 1_000_000, "and a refusal costs nothing");
        assert_eq!([take(1), take(1)], [0, 1_000_000]);
        assert_eq!([take(100), take(100), take(100), take(100)], [0, 0, 0, 1_000_000]);
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nobody_waiting() {
        let terms = Terms { every: 1_000_000, burst: 3 };
        let counts = Counts::default();
        let year = 31_536_000_000_000;
        assert_eq!(counts.take(subject(1), year, terms), 0);
        assert_eq!([0, 0, 0, 0].map(|now| counts.take(subject(1), now, terms)), [0, 0, 0, 1_000_000]);
    }

    #[test]
    fn keys_that_say_nothing_any_more_are_dropped() {
        let counts = Counts::default();
        let terms = Terms { every: 10, burst: 1 };
        for n in 0..100_000 {
            assert_eq!(counts.take(subject(n), n.into(), terms), 0);
        }
        assert!(counts.0.lock().unwrap().paid.len() <= KEYS + 1);
    }

    #[test]
    fn no_quota_and_no_time_overflows() {
        let forever = Quota { name: "x", burst: u32::MAX, every: Duration::MAX };
        for paid in [i64::MIN, 0, i64::MAX] {
            for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
                let _ = gcra(paid, now.as_microsecond(), Terms::from(&forever));
                let _ = gcra(paid, now.as_microsecond(), Terms { every: 1, burst: 1 });
            }
        }
    }

    #[tokio::test]
    async fn a_redis_that_is_away_is_asked_by_one_request_in_a_while() {
        let Rate::Redis(shared) = Rate::redis("redis://127.0.0.1:1").unwrap() else { unreachable!() };
        assert!(shared.is_asked(0) && shared.is_asked(0), "while it answers by everybody");
        shared.lost_until.store(PAUSE, Ordering::Relaxed);
        assert!(!shared.is_asked(1) && !shared.is_asked(PAUSE - 1));
        assert!(shared.is_asked(PAUSE), "one");
        assert!(!shared.is_asked(PAUSE), "and not a second");
        assert!(shared.is_asked(-3600 * 1_000_000), "the clock was set back");
    }
}
