//! Owns `skaas-server doctor`: one look at everything this installation stands on, with a cure for each fault.
//! Refuses to change anything.

use anyhow::bail;
use serde::Serialize;
use skaas_app::{App, Description, Store, Voice, publication::voice_in_use};

use crate::{arguments::Place, config::Settings, installation, output};

/// One thing looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

/// Looks, reports, and fails when anything is wrong.
pub(crate) async fn run(place: &Place, as_json: bool) -> anyhow::Result<()> {
    let settings = installation::settings(place, Vec::new())?;
    let mut findings = vec![data_folder(&settings)];
    match installation::store_as_it_is(&settings).await {
        Ok(None) => findings.push(Finding {
            what: "database",
            ok: true,
            found: "none yet; `skaas-server serve` makes it".into(),
            cure: None,
        }),
        Err(error) => findings.push(Finding {
            what: "database",
            ok: false,
            found: format!("{error:#}"),
            cure: Some(
                "check database.url (DATABASE_URL), that the server runs, and the folder's rights".into(),
            ),
        }),
        Ok(Some(store)) => {
            findings.extend(database(&store).await);
            findings.push(storage(&settings, &store).await);
            findings.push(address(&settings, &store).await);
        }
    }
    findings.extend(proxies(&settings));
    findings.extend(counting(&settings).await);
    findings.push(git());
    report(&findings, as_json)
}

fn report(findings: &[Finding], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        output::json(&findings)?;
    } else {
        for finding in findings {
            let mark = if finding.ok { "ok   " } else { "FAULT" };
            output::line(&format!("{mark}  {:<12} {}", finding.what, finding.found));
            if let Some(cure) = &finding.cure {
                output::line(&format!("       {:<12} {cure}", "->"));
            }
        }
    }
    let faults = findings.iter().filter(|finding| !finding.ok).count();
    if faults > 0 {
        bail!("{faults} fault(s) found");
    }
    Ok(())
}

fn data_folder(settings: &Settings) -> Finding {
    let dir = &settings.data_dir;
    let tried = std::fs::create_dir_all(dir).and_then(|()| tempfile::tempfile_in(dir));
    let (ok, found, cure) = match tried {
        Ok(_) => (true, format!("{} can be written", dir.display()), None),
        Err(error) => (
            false,
            format!("{}: {error}", dir.display()),
            Some("make the folder writable for this user, or give another with --data".into()),
        ),
    };
    Finding { what: "data folder", ok, found, cure }
}

/// Whether the proxy that must be there is believed about who asks; nothing where there need be none.
fn proxies(settings: &Settings) -> Option<Finding> {
    if !settings.public_url.starts_with("https://") {
        return None;
    }
    let trusted = &settings.server.trusted_proxies;
    let (found, cure) = if trusted.is_empty() {
        let cure = "name the proxy that TLS ends at in server.trusted_proxies (SKAAS_TRUSTED_PROXIES)";
        ("none is trusted, so all who come through one count as one address".into(), Some(cure.into()))
    } else {
        (format!("{trusted} trusted to say who asks, by {}", settings.server.proxy_header), None)
    };
    Some(Finding { what: "proxies", ok: true, found, cure })
}

/// Where nodes count requests together, if they do.
async fn counting(settings: &Settings) -> Option<Finding> {
    if settings.redis.url.is_empty() {
        return None;
    }
    let outcome = async { Ok::<_, anyhow::Error>(installation::rate(settings)?.check().await?) }.await;
    let (ok, found, cure) = match outcome {
        Ok(()) => (true, "answers; nodes count requests together".to_owned(), None),
        Err(error) => (
            false,
            format!("{error:#}; each node counts by itself meanwhile"),
            Some("check redis.url (REDIS_URL), and that the server runs".to_owned()),
        ),
    };
    Some(Finding { what: "redis", ok, found, cure })
}

async fn database(store: &Store) -> Vec<Finding> {
    match store.describe().await {
        Err(error) => vec![Finding {
            what: "database",
            ok: false,
            found: error.to_string(),
            cure: Some("run `skaas-server migrate` and read what it says".into()),
        }],
        Ok(Description { kind, version, database_bytes, counts, .. }) => vec![
            Finding {
                what: "database",
                ok: true,
                found: format!(
                    "{kind} {version}, schema {}, {} KiB",
                    counts.schema_version,
                    database_bytes / 1024
                ),
                cure: None,
            },
            Finding {
                what: "content",
                ok: true,
                found: format!(
                    "{} users, {} skills, {} releases, {} KiB of content",
                    counts.users,
                    counts.skills,
                    counts.releases,
                    counts.content_bytes / 1024
                ),
                cure: None,
            },
        ],
    }
}

async fn storage(settings: &Settings, store: &Store) -> Finding {
    let voice = Voice { public_url: String::new(), marketplace_name: settings.marketplace_name.clone() };
    let app: App = installation::app(settings, store.clone(), voice);
    match skaas_app::health::ready(&app).await {
        Ok(()) => Finding { what: "storage", ok: true, found: "objects can be reached".into(), cure: None },
        Err(error) => Finding {
            what: "storage",
            ok: false,
            found: error.to_string(),
            cure: Some("check [objects] (S3_…): endpoint, bucket and keys".into()),
        },
    }
}

async fn address(settings: &Settings, store: &Store) -> Finding {
    let rendered = voice_in_use(store).await.ok().flatten().map(|voice| voice.public_url);
    let (ok, found, cure) = match (settings.public_url.as_str(), rendered) {
        ("", Some(url)) => (true, format!("{url} (from the server's last start)"), None),
        ("", None) => (true, "not served yet".into(), None),
        (wanted, Some(url)) if wanted != url => (
            false,
            format!("entries and stubs name {url}, the configuration {wanted}"),
            Some("restart the server: it renders everything anew at its start".into()),
        ),
        (wanted, _) => (true, wanted.to_owned(), None),
    };
    Finding { what: "address", ok, found, cure }
}

/// Not needed to serve, but to push and to try.
fn git() -> Finding {
    let version = std::process::Command::new("git").arg("--version").output();
    match version {
        Ok(output) if output.status.success() => Finding {
            what: "git",
            ok: true,
            found: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            cure: None,
        },
        _ => Finding {
            what: "git",
            ok: true,
            found: "not found here; only the demo needs it".into(),
            cure: None,
        },
    }
}
