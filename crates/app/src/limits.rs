//! Owns the bounds under which use cases run: memory, places, rates. Refuses defaults that a caller might
//! forget: the operator's configuration fills every field.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use jiff::{SignedDuration, Timestamp};
use skaas_domain::{network::Network, oauth::GRANT_LIFETIME};
use skaas_store::rate::{Quota, Rate, Subject, Verdict};

pub(crate) use crate::places::{Place, Places};
use crate::{
    app::App,
    error::{Counted, Error, Result},
};

/// Bounds of one node; rates are those of all nodes that share a Redis.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests of one token that may come at once.
    pub token_burst: NonZeroU32,
    /// Requests of one token per second after that.
    pub token_per_second: NonZeroU32,
    /// Requests without a token that may come at once from one network address.
    pub address_burst: NonZeroU32,
    /// Requests without a token per second from there after that.
    pub address_per_second: NonZeroU32,
    /// Packs being sent at one moment.
    pub concurrent_packs: u32,
    /// Pushes being received at one moment.
    pub concurrent_pushes: u32,
    /// Pushes that wait for one of these places.
    pub queued_pushes: u32,
    /// How long a push waits there.
    pub push_patience: Duration,
    /// Bytes of release content in memory: half of it kept, half in use.
    pub content_bytes: u64,
    /// The largest push, in bytes of pack.
    pub push_bytes: u64,
    /// How long a request waits for a place before it is told to come back.
    pub patience: Duration,
    /// How long an authorized app, or a command line, works before its owner has to authorize it again.
    pub authorization_lifetime: SignedDuration,
}

impl Default for Limits {
    /// What `skaas.default.toml` says.
    fn default() -> Self {
        Self {
            token_burst: NonZeroU32::new(600).expect("not zero"),
            token_per_second: NonZeroU32::new(60).expect("not zero"),
            address_burst: NonZeroU32::new(600).expect("not zero"),
            address_per_second: NonZeroU32::new(60).expect("not zero"),
            concurrent_packs: 256,
            concurrent_pushes: 4,
            queued_pushes: 32,
            push_patience: Duration::from_mins(5),
            content_bytes: 512 << 20,
            push_bytes: 256 << 20,
            patience: Duration::from_secs(10),
            authorization_lifetime: GRANT_LIFETIME,
        }
    }
}

/// The part of [`Limits::content_bytes`] that one clone may take.
const CLONE_SHARE: u64 = 4;

impl Limits {
    /// Bytes of the releases that one clone without a depth may hold.
    pub(crate) const fn clone_bytes(&self) -> u64 {
        self.content_bytes / CLONE_SHARE
    }
}

/// Counts requests, by token or by address.
pub(crate) struct Rates {
    rate: Rate,
    token: Quota,
    address: Quota,
}

/// What a request is counted as. Revocations have a separate quota, so a flood with a stolen token cannot keep its owner
/// from revoking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedAs {
    /// Any other request.
    Request,
    /// Revoking a token, a session or an authorized app.
    Revocation,
}

impl Rates {
    pub(crate) fn new(rate: Rate, limits: &Limits) -> Self {
        let quota = |name, burst: NonZeroU32, per_second: NonZeroU32| Quota {
            name,
            burst: burst.get(),
            every: Duration::from_secs(1) / per_second.get(),
        };
        Self {
            rate,
            token: quota("token", limits.token_burst, limits.token_per_second),
            address: quota("address", limits.address_burst, limits.address_per_second),
        }
    }

    /// Whether requests can be counted.
    pub(crate) async fn check(&self) -> Result<(), skaas_store::StoreError> {
        self.rate.check().await
    }

    /// Takes one request of a token, or says when to come back.
    pub(crate) async fn take(&self, subject: Subject, counted: CountedAs, now: Timestamp) -> Result<()> {
        let quota = match counted {
            CountedAs::Request => self.token,
            CountedAs::Revocation => Quota { name: "token_revocation", ..self.token },
        };
        judge(self.rate.take(&quota, subject, now).await, Counted::Token)
    }

    /// Takes one request from an address. Where none is known, nothing is counted.
    pub(crate) async fn take_from(
        &self,
        from: Option<IpAddr>,
        counted: CountedAs,
        now: Timestamp,
    ) -> Result<()> {
        let Some(network) = from.map(Network::of) else { return Ok(()) };
        let quota = match counted {
            CountedAs::Request => self.address,
            CountedAs::Revocation => Quota { name: "address_revocation", ..self.address },
        };
        judge(self.rate.take(&quota, Subject::Network(network), now).await, Counted::Address)
    }
}

fn judge(verdict: Verdict, counted: Counted) -> Result<()> {
    match verdict {
        Verdict::Admitted => Ok(()),
        Verdict::Limited { retry_after } => {
            metrics::counter!("skaas_rate_limited_total", "by" => counted.as_str()).increment(1);
            Err(Error::RateLimited { counted, retry_after })
        }
    }
}

/// Takes a request that comes without a token: it counts for the address that it comes from. Git's first
/// question is never brought here.
///
/// # Errors
/// [`Error::RateLimited`].
pub async fn admit(app: &App, from: Option<IpAddr>, counted: CountedAs) -> Result<()> {
    app.rates.take_from(from, counted, app.now()).await
}

/// A place among the packs in flight; whoever sends the pack keeps it until the last byte.
pub struct PackSlot(Place);

impl PackSlot {
    pub(crate) fn new(place: Place) -> Self {
        metrics::gauge!("skaas_packs_in_flight").increment(1.0);
        Self(place)
    }

    /// Says how the sending of this pack is ended when places are short and others have fewer.
    pub fn ends_by(&self, ending: impl FnOnce() + Send + 'static) {
        self.0.ends_by(ending);
    }
}

impl Drop for PackSlot {
    fn drop(&mut self) {
        metrics::gauge!("skaas_packs_in_flight").decrement(1.0);
    }
}
