//! Somebody's site on the internet: https under a name of its own, and one document on it.
//!
//! Owns: a certificate that only [`TestApp::node_near`] trusts, what is served, how often it was asked.
//! Refuses to be reached by a node whose operator does not permit it: it is on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use skaas_app::ThirdParties;
use skaas_app::outbound::{Egress, http_client::HttpOptions, ways_out::WaysOut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::{Node, PUBLIC_URL, TestApp};

/// A site that runs as long as the story.
pub struct Site {
    name: String,
    port: u16,
    authority: Vec<u8>,
    shown: Arc<Shown>,
}

#[derive(Default)]
struct Shown {
    document: Mutex<String>,
    asked: AtomicUsize,
}

impl Site {
    /// The address of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", self.name, self.port)
    }

    /// What it answers from now on, whatever it is asked.
    pub fn says(&self, document: &str) {
        document.clone_into(&mut self.shown.document.lock().expect("nobody panics while reading it"));
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.shown.asked.load(Ordering::SeqCst)
    }
}

impl TestApp {
    /// A site of this name.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn site(&self, name: &str) -> Site {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate can be made");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)
            })
            .expect("the certificate fits its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shown = Arc::<Shown>::default();
        let served = Arc::clone(&shown);
        let port = self.run(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
            let port = listener.local_addr().expect("it is bound").port();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(acceptor.clone(), stream, Arc::clone(&served)));
                }
            });
            port
        });
        Site { name: name.to_owned(), port, authority: made.cert.pem().into_bytes(), shown }
    }

    /// One more node, to which every name is this machine. Whether its operator permits it to call the site
    /// all the same is up to the story.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn node_near(&self, site: &Site, is_permitted: bool) -> Arc<Node> {
        let mut egress = Egress::default();
        if is_permitted {
            egress.allow(&site.name).expect("a name of a host");
        }
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = || HttpOptions {
            authorities: site.authority.clone(),
            look_up: Some(Arc::new(move |_| Box::pin(async move { Ok(vec![here]) }))),
            ..HttpOptions::default()
        };
        let ways = WaysOut::with(Egress::default(), egress, options).expect("clients can be made");
        self.node_with(PUBLIC_URL, ThirdParties { ways_out: Some(ways), ..self.third_parties() })
    }
}

/// One request and its answer.
async fn answer(acceptor: TlsAcceptor, stream: TcpStream, shown: Arc<Shown>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    shown.asked.fetch_add(1, Ordering::SeqCst);
    let document = shown.document.lock().expect("nobody panics while reading it").clone();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=600\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        document.len()
    );
    // Whoever asked may have gone.
    let _ = stream.write_all((head + &document).as_bytes()).await;
    let _ = stream.shutdown().await;
}
