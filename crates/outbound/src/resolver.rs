//! The step from a name to addresses: what is off-limits is dropped before anything connects. A name that changes its
//! address between two look-ups cannot get around it.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::Egress;

/// A look-up under way.
pub type LookingUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Turns a name into addresses; the port in them does not count.
pub type LookUp = Arc<dyn Fn(String) -> LookingUp + Send + Sync>;

/// The machine's own resolver.
pub(crate) fn system() -> LookUp {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

pub(crate) struct Guard {
    pub(crate) egress: Arc<Egress>,
    pub(crate) look_up: LookUp,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = Arc::clone(&self.egress);
        let found = (self.look_up)(name.as_str().to_owned());
        Box::pin(async move {
            let mut addresses = match (found.await, egress.unresolved(name.as_str())) {
                (Ok(addresses), _) => addresses,
                (Err(_), Some(refusal)) => return Err(refusal.into()),
                (Err(error), None) => return Err(error.into()),
            };
            if !egress.names(name.as_str()) {
                addresses.retain(|address| egress.permits(address.ip()));
            }
            if addresses.is_empty() {
                return Err(egress.off_limits(name.as_str().to_owned()).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
