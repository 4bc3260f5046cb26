//! Checks each setting before anything is started with it. Every fault names the setting, the reason and an
//! example; a secret is never repeated.

use skaas_app::{DatabaseConfig, Rate};
use skaas_domain::name::check_marketplace_name;
use url::{Host, Url};

use super::{InvalidSettings, Settings, wrong};
use crate::{installation, telemetry, third_parties};

type Checked = Result<(), InvalidSettings>;

/// The longest that an authorization may last: ten years.
const MAX_AUTHORIZATION_DAYS: u32 = 3650;

impl Settings {
    pub(super) fn check(&self) -> Checked {
        self.check_addresses()?;
        self.check_numbers()?;
        self.check_database()?;
        self.check_objects()?;
        self.check_redis()?;
        self.proxies()?;
        telemetry::filter(&self.log).map_err(|reason| wrong("log.level", &reason))?;
        third_parties::check(self)
    }

    fn check_addresses(&self) -> Checked {
        let url = &self.public_url;
        let scheme = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if url.ends_with('/') {
            return Err(wrong("public_url", "ends in a slash"));
        }
        // Cookies, links and metadata are served from the root of a host.
        let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ', '\\']);
        let is_address = scheme.is_some_and(is_host) && Url::parse(url).is_ok_and(|url| url.has_host());
        if !url.is_empty() && !is_address {
            return Err(wrong(
                "public_url",
                "not an http(s) address of a host without user, path, query or fragment",
            ));
        }
        if self.data_dir.as_os_str().is_empty() {
            return Err(wrong("data_dir", "is empty"));
        }
        check_marketplace_name(&self.marketplace_name)
            .map_err(|error| wrong("marketplace_name", &error.to_string()))
    }

    fn check_numbers(&self) -> Checked {
        let l = &self.limits;
        for (key, value, least) in [
            ("database.connections", self.database.connections, 1),
            ("database.readers", self.database.readers, 1),
            ("limits.token_burst", l.token_burst, 1),
            ("limits.token_per_second", l.token_per_second, 1),
            ("limits.address_burst", l.address_burst, 1),
            ("limits.address_per_second", l.address_per_second, 1),
            ("limits.connections", l.connections, 1),
            ("limits.connections_per_address", l.connections_per_address, 1),
            ("limits.concurrent_packs", l.concurrent_packs, 1),
            ("limits.concurrent_pushes", l.concurrent_pushes, 1),
            ("limits.content_memory_mib", l.content_memory_mib, 64),
            ("limits.push_mib", l.push_mib, 1),
        ] {
            if value < least {
                return Err(wrong(key, &format!("must be at least {least}")));
            }
        }
        if l.stall_seconds == 0 {
            return Err(wrong("limits.stall_seconds", "must be at least 1"));
        }
        if !(1..=MAX_AUTHORIZATION_DAYS).contains(&l.authorization_days) {
            let reason = format!("must be from 1 to {MAX_AUTHORIZATION_DAYS} days");
            return Err(wrong("limits.authorization_days", &reason));
        }
        Ok(())
    }

    fn check_database(&self) -> Checked {
        let url = &self.database.url;
        let known = ["postgres://", "postgresql://", "sqlite:"];
        if !url.is_empty() && !known.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(wrong("database.url", "begins with none of postgresql://, postgres://, sqlite:"));
        }
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
        match (o.access_key_id.is_empty(), o.secret_access_key.is_empty()) {
            (true, false) => Err(wrong("objects.access_key_id", "is empty, though there is a secret key")),
            (false, true) => {
                Err(wrong("objects.secret_access_key", "is empty, though there is an access key"))
            }
            _ => Ok(()),
        }
    }

    fn check_redis(&self) -> Checked {
        let url = &self.redis.url;
        if url.is_empty() {
            return Ok(());
        }
        if !url.starts_with("redis://") {
            return Err(wrong("redis.url", "does not begin with redis://"));
        }
        // The address may hold a password: it is not repeated.
        Rate::check_url(url).map_err(|_| wrong("redis.url", "is not the address of a Redis server"))
    }

    /// Whether people reach the server over plain http at a name that others can reach too: then passwords
    /// and tokens travel unprotected.
    pub(crate) fn is_unprotected(&self) -> bool {
        self.public_url.starts_with("http://")
            && Url::parse(&self.public_url).is_ok_and(|url| url.host().is_some_and(|host| is_public(&host)))
    }
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
