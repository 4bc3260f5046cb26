//! A server with a certificate from a private CA.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::{desk::Desk, fake::Fake};

/// Puts HTTPS in front of a stand-in, and writes the certificate of the CA into the home.
fn secured(desk: &Desk, fake: &Fake) -> (String, PathBuf) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = desk.file("ca.pem");
    fs::write(&pem, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::from_params(&ca, &ca_key)).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (acceptor, behind) = (TlsAcceptor::from(Arc::new(config)), fake.address);
    // It ends with the test's process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(acceptor.clone(), stream, behind));
            }
        });
    });
    (format!("https://localhost:{port}"), pem)
}

async fn forward(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut plain = TcpStream::connect(behind).await.unwrap();
    drop(tokio::io::copy_bidirectional(&mut stream, &mut plain).await);
}

#[test]
fn a_private_ca_is_explained_and_ssl_cert_file_is_the_cure() {
    let (desk, fake) = (Desk::new(), Fake::start());
    let (url, pem) = secured(&desk, &fake);
    for command in [&["auth", "--no-browser"][..], &["doctor"]] {
        let args = [command, &["--url", &url]].concat();
        let ran = desk.skaas(&args).ends_with(6).says("unknown CA").says("SSL_CERT_FILE").says("sslCAInfo");
        assert!(!ran.stderr.contains("proxy"), "{}", ran.stderr);
    }
    let trusted = [("SSL_CERT_FILE", pem.to_str().unwrap())];
    desk.skaas_with(&["doctor", "--url", &url], &trusted).ends_with(3).says("not signed in");
    // The same server under a name that its certificate does not have.
    let other = url.replace("localhost", "127.0.0.1");
    let ran =
        desk.skaas_with(&["doctor", "--url", &other], &trusted).ends_with(6).says("certificate is not for");
    assert!(!ran.stdout.contains("SSL_CERT_FILE"), "trusting a CA does not help here: {}", ran.stdout);
}
