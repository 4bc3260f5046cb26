//! The checks of the settings, run before anything is started with them: one function for each kind of value, named
//! by the declarations, and those that involve several settings. A secret is never repeated in a reason.

use std::path::Path;

use skaas_app::{
    DatabaseConfig, Rate,
    outbound::{Egress, ExposeSecret as _, SecretString},
};
use skaas_domain::{master_key::Keyring, name::check_marketplace_name};
use url::{Host, Url};

use super::{InvalidSettings, Settings, wrong};
use crate::{installation, telemetry, third_parties};

type Checked = Result<(), InvalidSettings>;

/// Whether a single value can be used. The error is the reason.
type Usable = Result<(), String>;

/// Any value of the type can be used, or what can is checked together with other settings.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the checks")]
pub(super) fn any<T>(_: &T) -> Usable {
    Ok(())
}

pub(super) fn at_least<const LEAST: u64>(value: &(impl Copy + Into<u64>)) -> Usable {
    if (*value).into() < LEAST { Err(format!("must be at least {LEAST}")) } else { Ok(()) }
}

pub(super) fn days<const MOST: u64>(value: &(impl Copy + Into<u64>)) -> Usable {
    if (1..=MOST).contains(&(*value).into()) { Ok(()) } else { Err(format!("must be from 1 to {MOST} days")) }
}

pub(super) fn public_url(url: &str) -> Usable {
    let scheme = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if url.ends_with('/') {
        return Err("ends in a slash".to_owned());
    }
    // Cookies, links and metadata are served from the root of a host.
    let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ', '\\']);
    let is_address = scheme.is_some_and(is_host) && Url::parse(url).is_ok_and(|url| url.has_host());
    if !url.is_empty() && !is_address {
        return Err("not an http(s) address of a host without user, path, query or fragment".to_owned());
    }
    Ok(())
}

pub(super) fn data_dir(folder: &Path) -> Usable {
    if folder.as_os_str().is_empty() { Err("is empty".to_owned()) } else { Ok(()) }
}

pub(super) fn marketplace_name(name: &str) -> Usable {
    check_marketplace_name(name).map_err(|error| error.to_string())
}

pub(super) fn database_url(url: &SecretString) -> Usable {
    let url = url.expose_secret();
    let known = ["postgres://", "postgresql://", "sqlite:"];
    if !url.is_empty() && !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err("begins with none of postgresql://, postgres://, sqlite:".to_owned());
    }
    Ok(())
}

pub(super) fn redis_url(url: &SecretString) -> Usable {
    let url = url.expose_secret();
    if url.is_empty() {
        return Ok(());
    }
    if !url.starts_with("redis://") {
        return Err("does not begin with redis://".to_owned());
    }
    // The address may hold a password: it is not repeated.
    Rate::check_url(url).map_err(|_| "is not the address of a Redis server".to_owned())
}

pub(super) fn master_key(keys: &SecretString) -> Usable {
    Keyring::parse(keys.expose_secret()).map(drop).map_err(|error| error.to_string())
}

pub(super) fn allowance(list: &str) -> Usable {
    list.parse::<Egress>().map(drop).map_err(|error| error.to_string())
}

pub(super) fn log_level(level: &str) -> Usable {
    telemetry::filter(level).map(drop)
}

impl Settings {
    pub(super) fn check(&self) -> Checked {
        self.check_each()?;
        self.check_database()?;
        self.check_objects()?;
        self.proxies()?;
        third_parties::check(self)
    }

    fn check_database(&self) -> Checked {
        match installation::database_config(self) {
            DatabaseConfig::Sqlite { path } if path.as_os_str().is_empty() => {
                Err(wrong("database.url", "names no file after sqlite:"))
            }
            config => config.check().map_err(|error| wrong("database.url", &error.to_string())),
        }
    }

    fn check_objects(&self) -> Checked {
        let o = &self.objects;
        if !o.endpoint.is_empty() {
            check_endpoint(&o.endpoint, o.allow_http)?;
            if o.bucket.is_empty() {
                return Err(wrong(
                    "objects.bucket",
                    "is empty, though objects.endpoint (S3_ENDPOINT) is set",
                ));
            }
        }
        if o.bucket.is_empty() {
            return Ok(());
        }
        if o.bucket.contains(['/', ' ']) {
            return Err(wrong("objects.bucket", "is not the name of a bucket"));
        }
        if o.region.is_empty() {
            return Err(wrong("objects.region", "is empty"));
        }
        match (is_empty(&o.access_key_id), is_empty(&o.secret_access_key)) {
            (true, false) => Err(wrong("objects.access_key_id", "is empty, though there is a secret key")),
            (false, true) => {
                Err(wrong("objects.secret_access_key", "is empty, though there is an access key"))
            }
            _ => Ok(()),
        }
    }

    /// Whether people reach the server over plain http at a name that others can reach too: then passwords
    /// and tokens travel unprotected.
    pub(crate) fn is_unprotected(&self) -> bool {
        self.public_url.starts_with("http://")
            && Url::parse(&self.public_url).is_ok_and(|url| url.host().is_some_and(|host| is_public(&host)))
    }
}

fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

fn check_endpoint(endpoint: &str, allow_http: bool) -> Checked {
    let reason = match Url::parse(endpoint) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            "is not an http(s) address"
        }
        // It may hold a password: it is not repeated.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "has a user in it; keys are objects.access_key_id and objects.secret_access_key"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "has more than a host, a port and a path"
        }
        Ok(url) if url.scheme() == "http" && !allow_http => {
            "is plain http; use https, or set objects.allow_http (S3_ALLOW_HTTP=true)"
        }
        Ok(_) => return Ok(()),
        Err(_) => "is not an http(s) address",
    };
    Err(wrong("objects.endpoint", reason))
}

/// Whether strangers may share the network on the way to this host.
fn is_public(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(at) => !(at.is_loopback() || at.is_private() || at.is_link_local() || at.is_unspecified()),
        Host::Ipv6(at) => {
            !(at.is_loopback() || at.is_unique_local() || at.is_unicast_link_local() || at.is_unspecified())
        }
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let private = ["localhost", "local", "internal", "test", "lan", "home.arpa", "corp"];
            let ends_in = |suffix: &&str| name == *suffix || name.ends_with(&format!(".{suffix}"));
            name.contains('.') && !private.iter().any(ends_in)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_fine_on_this_machine_and_in_private_networks_only() {
        for (url, public) in [
            ("http://skills.example.com", true),
            ("http://skills.example.com:8080", true),
            ("http://203.0.113.7", true),
            ("http://[2001:db8::1]:80", true),
            ("http://localhost:8080", false),
            ("http://app.localhost", false),
            ("http://127.0.0.1:8080", false),
            ("http://10.1.2.3", false),
            ("http://192.168.1.5:80", false),
            ("http://[::1]", false),
            ("http://[fd00::1]", false),
            ("http://skills", false),
            ("http://skills.internal", false),
            ("http://nas.local", false),
        ] {
            let host = Url::parse(url).unwrap();
            assert_eq!(is_public(&host.host().unwrap()), public, "{url}");
        }
    }
}
