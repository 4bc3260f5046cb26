//! Owns where a person's groups come from: the claim, or the provider's API where the claim is cut off.
//! Refuses to follow a page link to another host: the access token goes along.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{claims::Groups, verification::MoreClaims};
use crate::{
    error::{Error, Result},
    http_client::{Http, Request},
};
use secrecy::SecretString;

/// Pages of an API's answer that are read; a person in more groups than fit is refused rather than cut.
const PAGES: usize = 20;
/// Bytes of one page.
const PAGE_CAP: usize = 2 << 20;

/// What the claim `name` says about groups.
pub(super) fn of_claims(claims: &MoreClaims, name: &str) -> Groups {
    match claims.0.get(name) {
        Some(Value::Array(items)) => {
            Groups::listed(items.iter().filter_map(|item| item.as_str().map(str::to_owned)))
        }
        Some(Value::String(one)) => Groups::listed([one.clone()]),
        // Entra's two ways to say that there are more than 200 (a reference to its API, or a mere flag):
        // https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference
        _ if claims.0.get("_claim_names").is_some_and(|names| names.get(name).is_some())
            || claims.0.get("hasgroups").is_some_and(|flag| flag == &Value::Bool(true) || flag == "true") =>
        {
            Groups::CutOff
        }
        _ => Groups::Unsaid,
    }
}

#[derive(Deserialize)]
struct GraphPage {
    #[serde(default)]
    value: Vec<GraphObject>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<Url>,
}

#[derive(Deserialize)]
struct GraphObject {
    #[serde(rename = "@odata.type")]
    kind: Option<String>,
    id: String,
}

/// Microsoft Graph's `transitiveMemberOf`, as object ids: what the claim would have held, nested groups too.
/// <https://learn.microsoft.com/en-us/graph/api/user-list-transitivememberof>
pub(super) async fn from_graph(http: &Http, api: &Url, token: &SecretString) -> Result<Vec<String>> {
    let mut url = api.clone();
    url.query_pairs_mut().append_pair("$select", "id").append_pair("$top", "999");
    let mut groups = Vec::new();
    for _ in 0..PAGES {
        let page: GraphPage = page(http, url, token).await?;
        // Roles and administrative units are listed as well.
        let found =
            page.value.into_iter().filter(|object| object.kind.as_deref() == Some("#microsoft.graph.group"));
        groups.extend(found.map(|object| object.id));
        let Some(next) = page.next else { return Ok(groups) };
        if next.origin() != api.origin() {
            return Err(Error::malformed(
                &host_of(api),
                "a list of groups",
                "its next page is on another host",
            ));
        }
        url = next;
    }
    Err(too_many(api))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GooglePage {
    #[serde(default)]
    memberships: Vec<GoogleMembership>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GoogleMembership {
    group_key: GoogleKey,
}

#[derive(Deserialize)]
struct GoogleKey {
    id: String,
}

/// Cloud Identity's `searchDirectGroups`, as the groups' addresses, which are their keys there. It works in
/// every edition of Workspace; the transitive search does not.
/// <https://cloud.google.com/identity/docs/reference/rest/v1/groups.memberships/searchDirectGroups>
pub(super) async fn from_google(
    http: &Http,
    api: &Url,
    token: &SecretString,
    email: &str,
) -> Result<Vec<String>> {
    // The query is a CEL expression: an address that could end its string is not put into one.
    if email.chars().any(|c| matches!(c, '\'' | '"' | '\\') || c.is_control() || c.is_whitespace()) {
        return Err(Error::unproven(&host_of(api), "an e-mail address that cannot be searched for"));
    }
    let query = format!("member_key_id == '{email}'");
    let (mut groups, mut next) = (Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let mut url = api.clone();
        url.query_pairs_mut().append_pair("query", &query).append_pair("pageSize", "500");
        if let Some(next) = &next {
            url.query_pairs_mut().append_pair("pageToken", next);
        }
        let page: GooglePage = page(http, url, token).await?;
        groups.extend(page.memberships.into_iter().map(|membership| membership.group_key.id));
        next = page.next_page_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(groups);
        }
    }
    Err(too_many(api))
}

async fn page<T: serde::de::DeserializeOwned>(http: &Http, url: Url, token: &SecretString) -> Result<T> {
    let request = Request::get(url).bearer(token)?.at_most(PAGE_CAP);
    http.send(request).await?.successful()?.json("a list of groups")
}

fn too_many(api: &Url) -> Error {
    Error::malformed(&host_of(api), "a list of groups", "it does not end")
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
