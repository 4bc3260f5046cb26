//! Who is connected: a bounded number of places for connections, shared fairly among network addresses. One
//! address has at most its share; when all places are taken, a connection with nothing under way gives its
//! place to a newcomer from an address that has fewer.
//!
//! What connections carry, and how long they may keep silent, belongs to `listener`.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::Context,
};

use futures_util::task::AtomicWaker;
use skaas_app::quiet::Quiet;
use skaas_domain::network::Network;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::client_address::ClientAddress;

/// How many newcomers may wait for a place, beside those in the system's queue.
const WAITING: usize = 64;

/// All places.
pub(crate) struct Guests {
    free: Arc<Semaphore>,
    waiting: Semaphore,
    /// The most connections of one network.
    share: usize,
    table: Mutex<Table>,
    /// Counts moments, so that the longest idle connection can be found.
    ticks: AtomicU64,
    refusals: Quiet,
    emptied: Notify,
}

#[derive(Default)]
struct Table {
    guests: HashMap<u64, Entry>,
    by_network: HashMap<Network, usize>,
    next: u64,
}

struct Entry {
    network: Option<Network>,
    state: Arc<State>,
    /// Given to somebody else when this guest has to leave.
    permit: Option<OwnedSemaphorePermit>,
}

/// What one connection is doing.
#[derive(Default)]
pub(crate) struct State {
    /// Since which tick nothing is under way; 0 while something is.
    idle_since: AtomicU64,
    /// Whether an answer waits for its reader.
    pub(crate) blocked: AtomicBool,
    served: AtomicBool,
    order: AtomicU8,
    waker: AtomicWaker,
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing.
    Stay,
    /// End after what is under way.
    Finish,
    /// End at once.
    End,
}

/// A connection's place; given back when it is dropped.
pub(crate) struct Guest {
    id: u64,
    guests: Arc<Guests>,
    pub(crate) state: Arc<State>,
}

/// What a connection tells of a request that came over it: an extension of every request.
#[derive(Clone)]
pub(crate) struct Arrival {
    /// Who made the request.
    pub(crate) client: ClientAddress,
    /// Ends the connection.
    pub(crate) hangup: Hangup,
}

/// Ends a connection.
#[derive(Clone)]
pub(crate) struct Hangup(Arc<State>);

impl Hangup {
    /// Ends it at once, whatever is under way.
    pub(crate) fn now(&self) {
        self.0.tell(Order::End);
    }
}

/// Why a newcomer gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its address has its share.
    Share,
    /// All places are taken, and so are those for waiting.
    Full,
}

impl Guests {
    pub(crate) fn new(places: usize, share: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(WAITING),
            share,
            table: Mutex::default(),
            ticks: AtomicU64::new(1),
            refusals: Quiet::default(),
            emptied: Notify::new(),
        })
    }

    /// A place for a connection from `peer`, at once or after a wait; the places of trusted proxies are not
    /// counted by address.
    pub(crate) async fn enter(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Result<Guest, Refused> {
        let network = (!is_proxy).then(|| Network::of(peer));
        let admitted = self.seat(network).await;
        if let Err(refused) = admitted {
            self.tell(network, refused);
        }
        admitted
    }

    async fn seat(self: &Arc<Self>, network: Option<Network>) -> Result<Guest, Refused> {
        if network.is_some_and(|network| self.table().count(network) >= self.share) {
            return Err(Refused::Share);
        }
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(self.add(network, permit));
        }
        if self.free.is_closed() {
            return Err(Refused::Full);
        }
        let evicted = self.table().evict(network);
        if let Some((permit, leaves)) = evicted {
            leaves.leave();
            return Ok(self.add(network, permit));
        }
        let _chair = self.waiting.try_acquire().map_err(|_| Refused::Full)?;
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| Refused::Full)?;
        Ok(self.add(network, permit))
    }

    fn add(self: &Arc<Self>, network: Option<Network>, permit: OwnedSemaphorePermit) -> Guest {
        let state = Arc::new(State::default());
        state.idle_since.store(self.tick(), Ordering::Relaxed);
        let mut table = self.table();
        let id = table.next;
        table.next += 1;
        if let Some(network) = network {
            *table.by_network.entry(network).or_default() += 1;
        }
        table.guests.insert(id, Entry { network, state: Arc::clone(&state), permit: Some(permit) });
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("skaas_connections").set(table.guests.len() as f64);
        Guest { id, guests: Arc::clone(self), state }
    }

    /// Lets nobody in any more, and returns when everybody has left: those with nothing under way at once.
    pub(crate) async fn close(&self) {
        self.free.close();
        for entry in self.table().guests.values() {
            entry.state.leave();
        }
        loop {
            let emptied = self.emptied.notified();
            if self.table().guests.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic leaves at most a count that is off by one until its guest leaves.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal, and says so once in a while: a flood of connections must not become a flood of lines.
    fn tell(&self, network: Option<Network>, refused: Refused) {
        let why = match refused {
            Refused::Share => "address",
            Refused::Full => "full",
        };
        metrics::counter!("skaas_connections_refused_total", "by" => why).increment(1);
        let Some(more) = self.refusals.say(Instant::now()) else { return };
        let share = self.share;
        if let (Refused::Share, Some(network)) = (refused, network) {
            tracing::warn!(
                event = "connections_refused",
                network = %network,
                share,
                more,
                "one address holds its share of connections (limits.connections_per_address); if it is your \
                 proxy, name it in server.trusted_proxies (SKAAS_TRUSTED_PROXIES)"
            );
        } else {
            tracing::warn!(event = "connections_refused", more, "all places are taken (limits.connections)");
        }
    }
}

impl Table {
    fn count(&self, network: Network) -> usize {
        self.by_network.get(&network).copied().unwrap_or(0)
    }

    /// The place of a connection with nothing under way, of the network that has the most; none where the
    /// newcomer's network has about as many.
    fn evict(&mut self, newcomer: Option<Network>) -> Option<(OwnedSemaphorePermit, Arc<State>)> {
        let own = newcomer.map_or(0, |network| self.count(network));
        let rank = |entry: &Entry| {
            let count = self.by_network.get(&entry.network?).copied().unwrap_or(0);
            let since = entry.state.idle_since.load(Ordering::Relaxed);
            let idle = since > 0 && !entry.state.blocked.load(Ordering::Relaxed);
            (idle && count > own + 1 && entry.permit.is_some()).then_some((count, std::cmp::Reverse(since)))
        };
        let (id, _) = self
            .guests
            .iter()
            .filter_map(|(id, entry)| Some((*id, rank(entry)?)))
            .max_by_key(|(_, rank)| *rank)?;
        let entry = self.guests.get_mut(&id)?;
        Some((entry.permit.take()?, Arc::clone(&entry.state)))
    }
}

impl State {
    /// Asks the connection to end: at once if it never asked for anything, else after what is under way.
    fn leave(&self) {
        self.tell(if self.served.load(Ordering::Relaxed) { Order::Finish } else { Order::End });
    }

    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::Release);
        self.waker.wake();
    }

    /// What to do now.
    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Stay,
            1 => Order::Finish,
            _ => Order::End,
        }
    }

    /// Has the connection's task woken at an order. Once is enough: a task has one waker for life.
    pub(crate) fn wakes(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }
}

impl Guest {
    /// A request of `client` begins.
    pub(crate) fn begins(&self, client: ClientAddress) -> Arrival {
        self.state.served.store(true, Ordering::Relaxed);
        self.state.idle_since.store(0, Ordering::Relaxed);
        Arrival { client, hangup: Hangup(Arc::clone(&self.state)) }
    }

    /// The head of its answer is ready.
    pub(crate) fn answers(&self) {
        self.state.idle_since.store(self.guests.tick(), Ordering::Relaxed);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut table = self.guests.table();
        let Some(entry) = table.guests.remove(&self.id) else { return };
        if let Some(network) = entry.network
            && let Some(count) = table.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                table.by_network.remove(&network);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("skaas_connections").set(table.guests.len() as f64);
        if table.guests.is_empty() {
            self.guests.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn enter(guests: &Arc<Guests>, from: &str) -> Option<Result<Guest, Refused>> {
        let entering = guests.enter(ip(from), false);
        tokio::time::timeout(std::time::Duration::from_millis(20), entering).await.ok()
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_an_ipv6_subscriber_is_one_address() {
        let guests = Guests::new(10, 2);
        let _first = enter(&guests, "2001:db8::1").await.unwrap().unwrap();
        let second = enter(&guests, "2001:db8::2").await.unwrap().unwrap();
        assert_eq!(enter(&guests, "2001:db8::3").await.unwrap().err(), Some(Refused::Share));
        assert!(enter(&guests, "2001:db8:0:1::1").await.unwrap().is_ok());
        drop(second);
        assert!(enter(&guests, "2001:db8::3").await.unwrap().is_ok());
        // A proxy speaks for many.
        let mut proxied = Vec::new();
        for _ in 0..8 {
            proxied.push(guests.enter(ip("10.0.0.1"), true).await.unwrap());
        }
    }

    #[tokio::test]
    async fn when_all_places_are_taken_the_idle_connection_of_the_greediest_address_gives_way() {
        let guests = Guests::new(4, 4);
        let (mut greedy, mut busy) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            greedy.push(enter(&guests, "192.0.2.1").await.unwrap().unwrap());
        }
        busy.push(enter(&guests, "192.0.2.2").await.unwrap().unwrap());
        // The first of the greedy has a request under way: the second gives way.
        greedy[0].begins(ClientAddress(ip("203.0.113.1")));
        let newcomer = enter(&guests, "192.0.2.3").await.unwrap().unwrap();
        let orders: Vec<Order> = greedy.iter().map(|guest| guest.state.order()).collect();
        assert_eq!(orders, [Order::Stay, Order::End, Order::Stay], "the longest idle one is told to end");
        greedy.remove(1);
        // Now nobody has clearly more than a newcomer would: it waits until somebody leaves.
        assert!(enter(&guests, "192.0.2.2").await.is_none());
        drop(newcomer);
        assert!(enter(&guests, "192.0.2.2").await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn closing_waits_for_what_is_under_way_and_lets_nobody_in() {
        let guests = Guests::new(4, 4);
        let busy = enter(&guests, "192.0.2.1").await.unwrap().unwrap();
        busy.begins(ClientAddress(ip("203.0.113.1")));
        let mut closing = std::pin::pin!(guests.close());
        assert!(futures_util::poll!(closing.as_mut()).is_pending());
        assert_eq!(busy.state.order(), Order::Finish);
        assert_eq!(enter(&guests, "192.0.2.2").await.unwrap().err(), Some(Refused::Full));
        drop(busy);
        closing.await;
    }
}
