//! Groups where the token does not hold them all. No real part answers these calls, so the pages are what the
//! providers' documents show.

use serde_json::json;
use skaas_outbound::{
    Error,
    oidc::{Flavour, Groups, Provider, ProviderConfig, SignedIn},
};
use url::Url;
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{header, path, query_param, query_param_is_missing},
};

use crate::issuer::{ACCESS_TOKEN, Issuer, key, now, signed};

const TENANT: &str = "5f0c1f2e-6d0b-4a53-9a7e-0c5d3d1f7b11";

async fn entra(issuer: &Issuer, change: &serde_json::Value) -> (Provider, SignedIn) {
    let mut all = json!({"tid": TENANT, "oid": "11111111-2222-4333-8444-555555555555", "groups": null});
    all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    issuer.answers(&signed(&issuer.claims(&all), &key(1, "one"), "one")).await;
    let config = ProviderConfig {
        flavour: Flavour::Entra { tenant: TENANT.to_owned() },
        groups_api: Url::parse(&format!("{}/v1.0/me/transitiveMemberOf", issuer.server.uri())).ok(),
        ..issuer.config()
    };
    let provider = Provider::new(Issuer::http(), config).unwrap();
    let signed_in = issuer.exchange(&provider, now()).await.unwrap();
    (provider, signed_in)
}

#[tokio::test]
async fn a_claim_that_is_cut_off_says_so_in_either_of_entras_ways() {
    for (change, groups) in [
        (
            json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://evil.example"}}}),
            Groups::CutOff,
        ),
        (json!({"hasgroups": true}), Groups::CutOff),
        (json!({"hasgroups": "true"}), Groups::CutOff),
        (json!({"groups": ["b", "a", "b"]}), Groups::listed(["a".to_owned(), "b".to_owned()])),
        (json!({"_claim_names": {"roles": "src1"}}), Groups::Unsaid),
        (json!({}), Groups::Unsaid),
    ] {
        let issuer = Issuer::start(&[(1, "one")]).await;
        let (_, signed_in) = entra(&issuer, &change).await;
        assert_eq!(signed_in.claims.groups, groups, "{change}");
    }
}

#[tokio::test]
async fn entras_groups_are_read_to_the_last_page() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let uri = issuer.server.uri();
    let bearer = format!("Bearer {ACCESS_TOKEN}");
    Mock::given(path("/v1.0/me/transitiveMemberOf"))
        .and(query_param_is_missing("$skiptoken"))
        .and(header("authorization", bearer.as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#directoryObjects(id)",
            "@odata.nextLink": format!("{uri}/v1.0/me/transitiveMemberOf?$skiptoken=abc"),
            "value": [
                {"@odata.type": "#microsoft.graph.group", "id": "g2"},
                {"@odata.type": "#microsoft.graph.directoryRole", "id": "role"},
            ],
        })))
        .mount(&issuer.server)
        .await;
    Mock::given(path("/v1.0/me/transitiveMemberOf"))
        .and(query_param("$skiptoken", "abc"))
        .and(header("authorization", bearer.as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "value": [{"@odata.type": "#microsoft.graph.group", "id": "g1"}],
        })))
        .mount(&issuer.server)
        .await;
    let (provider, signed_in) = entra(&issuer, &json!({"hasgroups": true})).await;
    let groups = provider.groups_from_api(&signed_in).await.unwrap();
    assert_eq!(groups, Groups::listed(["g1".to_owned(), "g2".to_owned()]));
}

#[tokio::test]
async fn a_next_page_elsewhere_never_gets_the_token() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let thief = wiremock::MockServer::start().await;
    Mock::given(path("/v1.0/me/transitiveMemberOf"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "@odata.nextLink": format!("{}/v1.0/me/transitiveMemberOf", thief.uri()), "value": [],
        })))
        .mount(&issuer.server)
        .await;
    let (provider, signed_in) = entra(&issuer, &json!({"hasgroups": true})).await;
    let refused = provider.groups_from_api(&signed_in).await;
    assert!(matches!(refused, Err(Error::Malformed { .. })), "{refused:?}");
    assert!(thief.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_without_an_end_is_refused_rather_than_cut() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    Mock::given(path("/v1.0/me/transitiveMemberOf"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "@odata.nextLink": format!("{}/v1.0/me/transitiveMemberOf?$skiptoken=again", issuer.server.uri()),
            "value": [],
        })))
        .mount(&issuer.server)
        .await;
    let (provider, signed_in) = entra(&issuer, &json!({"hasgroups": true})).await;
    assert!(matches!(provider.groups_from_api(&signed_in).await, Err(Error::Malformed { .. })));
    assert!(issuer.asked("/v1.0/me/transitiveMemberOf").await <= 20);
}

#[tokio::test]
async fn googles_groups_are_searched_by_a_checked_address_that_cannot_break_out() {
    let issuer = Issuer::start(&[(1, "one")]).await;
    let api = "/v1/groups/-/memberships:searchDirectGroups";
    let member = |id: &str| json!({"groupKey": {"id": id}, "group": "groups/1", "displayName": "x"});
    Mock::given(path(api))
        .and(query_param("query", "member_key_id == 'ann@example.com'"))
        .and(query_param_is_missing("pageToken"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "memberships": [member("staff@example.com")], "nextPageToken": "2",
        })))
        .mount(&issuer.server)
        .await;
    Mock::given(path(api))
        .and(query_param("pageToken", "2"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"memberships": [member("all@example.com")]})),
        )
        .mount(&issuer.server)
        .await;
    let config = ProviderConfig {
        flavour: Flavour::Google { hosted_domain: None },
        groups_api: Url::parse(&format!("{}{api}", issuer.server.uri())).ok(),
        ..issuer.config()
    };
    let provider = Provider::new(Issuer::http(), config).unwrap();
    let mut asked = Vec::new();
    for change in [
        json!({}),
        json!({"email_verified": false}),
        json!({"email": "x' || member_key_id != '@example.com"}),
    ] {
        issuer.answers(&signed(&issuer.claims(&change), &key(1, "one"), "one")).await;
        let signed_in = issuer.exchange(&provider, now()).await.unwrap();
        asked.push((provider.groups_from_api(&signed_in).await, issuer.asked(api).await));
    }
    let both = Groups::listed(["all@example.com".to_owned(), "staff@example.com".to_owned()]);
    assert!(matches!(&asked[0], (Ok(groups), 2) if *groups == both), "{:?}", asked[0]);
    assert!(matches!(&asked[1], (Ok(groups), 2) if *groups == Groups::listed([])), "{:?}", asked[1]);
    assert!(matches!(&asked[2], (Err(Error::Unproven { .. }), 2)), "{:?}", asked[2]);
}
