//! A stretch of wire before the database, or before Redis, that can be cut and mended.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct Wire {
    is_cut: bool,
    open: Vec<TcpStream>,
}

/// It passes connections on.
pub(crate) struct GoBetween {
    url: String,
    wire: Arc<Mutex<Wire>>,
}

impl GoBetween {
    /// Before the server that a URL names.
    pub(crate) fn before(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let target = host.to_socket_addrs().unwrap().next().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let wire = Arc::new(Mutex::new(Wire::default()));
        let shared = Arc::clone(&wire);
        // It ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                pass_on(&shared, stream, target);
            }
        });
        Self { url: format!("{scheme}://{user}{own}{path}"), wire }
    }

    /// The URL by this way.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Breaks every connection, and each new one, until [`GoBetween::mend`].
    pub(crate) fn cut(&self) {
        let mut wire = self.wire.lock().unwrap();
        wire.is_cut = true;
        for stream in wire.open.drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Passes on again.
    pub(crate) fn mend(&self) {
        self.wire.lock().unwrap().is_cut = false;
    }
}

fn pass_on(wire: &Mutex<Wire>, stream: TcpStream, target: SocketAddr) {
    let mut wire = wire.lock().unwrap();
    if wire.is_cut {
        return;
    }
    let Ok(onward) = TcpStream::connect(target) else { return };
    for (from, to) in [(&stream, &onward), (&onward, &stream)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            // However it ends, the other side is to know.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    wire.open.extend([stream, onward]);
}
