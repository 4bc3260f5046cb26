//! Why a server could not be reached, and what to do about it: names, proxies and certificates.

use std::env;

use hyper_util::client::proxy::matcher::Matcher;

use crate::{
    address::Address,
    failure::{Failure, Kind},
    output::plain,
    shell::quoted,
};

/// Explains a request that got no answer.
pub(crate) fn unreachable(address: &Address, error: &reqwest::Error) -> Failure {
    let causes = causes(error);
    let failure = Failure::new(Kind::Network, format!("cannot reach {address}"));
    let proxy = proxy_variable(address);
    let through = |why: String| match proxy {
        Some(name) => format!("{why} (through the proxy in {name})"),
        None => why,
    };
    if let Some(cause) = causes.iter().find(|cause| cause.contains("invalid peer certificate")) {
        return untrusted(failure, address, cause, through);
    }
    let why = if error.is_timeout() {
        "there was no answer in time".to_owned()
    } else if error.is_connect() && causes.iter().any(|cause| cause.contains("dns")) && proxy.is_none() {
        format!("the name {} cannot be resolved", address.machine())
    } else {
        causes.last().cloned().unwrap_or_default()
    };
    let next = match proxy {
        Some(_) => format!("check that proxy, or add {} to NO_PROXY", quoted(&address.machine())),
        None => address.command("doctor"),
    };
    failure.why(through(why)).next(next)
}

/// Explains a certificate that this machine does not accept. Only an unknown issuer is cured by trusting it.
fn untrusted(
    failure: Failure,
    address: &Address,
    cause: &str,
    through: impl Fn(String) -> String,
) -> Failure {
    if cause.contains("UnknownIssuer") {
        let next = format!("if it uses a private CA: {}; {}", for_skaas(), for_git(address));
        return failure.why(through("its certificate is from an unknown CA".into())).next(next);
    }
    let why = if cause.to_lowercase().contains("expired") {
        "its certificate has expired".to_owned()
    } else if cause.contains("not valid for name") || cause.contains("NotValidForName") {
        format!("its certificate is not for {}", address.machine())
    } else {
        cause.to_owned()
    };
    failure
        .why(through(why))
        .next("check the address and this machine's clock, or tell the server's operator")
}

fn for_skaas() -> &'static str {
    if cfg!(target_os = "linux") {
        "set SSL_CERT_FILE=/path/to/ca.pem for skaas"
    } else {
        "add the CA to the certificates that your system trusts"
    }
}

/// How to make git trust a private CA for this server.
pub(crate) fn for_git(address: &Address) -> String {
    let key = format!("http.{}.sslCAInfo", address.origin());
    format!("make git trust it with: git config --global {} /path/to/ca.pem", quoted(&key))
}

/// The variable that names the proxy, if requests to this server go through one. `NO_PROXY` is taken into account, by
/// the same code as in the HTTP client.
fn proxy_variable(address: &Address) -> Option<&'static str> {
    let uri: http::Uri = address.origin().parse().ok()?;
    Matcher::from_system().intercept(&uri)?;
    let names = match address.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    names.into_iter().find(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The causes of an error, outermost first. The last one says what happened, such as `Connection refused`; the ones
/// before it say which library passed it on.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut all: Vec<String> = std::iter::successors(error.source(), |e| e.source())
        .map(|cause| plain(&cause.to_string()))
        .collect();
    if all.is_empty() {
        all.push(plain(&error.to_string()));
    }
    all
}
