//! The laws of scopes.

use proptest::prelude::*;

use super::*;

const SKILLS: [&str; 3] = ["lint-pro", "deploy", "x"];
const INTEGRATIONS: [&str; 2] = ["github", "google-calendar"];
const ACTIONS: [&str; 2] = ["create_issue", "list"];

/// Everything that can be asked for with these names.
fn needs() -> Vec<Need<'static>> {
    let mut all = vec![Need::Myself, Need::Marketplace, Need::Pull, Need::Push, Need::Mcp];
    all.extend(SKILLS.map(Need::Skill));
    for write in [false, true] {
        all.extend([Need::Creator { write }, Need::Account { write }]);
        for integration in INTEGRATIONS {
            all.extend(ACTIONS.map(|action| Need::Action { integration, action, write }));
        }
    }
    all
}

fn scope() -> impl Strategy<Value = Scope> {
    let actions = [
        ActionScope::Every,
        ActionScope::Integration("github".into()),
        ActionScope::One { integration: "github".into(), action: "list".into() },
        ActionScope::One { integration: "google-calendar".into(), action: "list".into() },
    ];
    let mut all =
        vec![Scope::Full, Scope::Marketplaces, Scope::Mcp, Scope::Creator, Scope::Account, Scope::ReadOnly];
    all.extend(SKILLS.map(|name| Scope::Skill(name.into())));
    all.extend(actions.map(Scope::Action));
    proptest::sample::select(all)
}

fn scopes() -> impl Strategy<Value = Scopes> {
    proptest::collection::vec(scope(), 0..6).prop_map(Scopes::of)
}

#[test]
fn scopes_print_as_they_are_written() {
    for (written, printed) in [
        ("full", "full"),
        ("read-only full mcp", "full read-only"),
        ("mcp  marketplaces mcp", "marketplaces mcp"),
        ("action:github/*", "action:github"),
        (
            "marketplaces skill:lint-pro action:github/create_issue mcp creator account read-only",
            "marketplaces skill:lint-pro action:github/create_issue mcp creator account read-only",
        ),
    ] {
        assert_eq!(written.parse::<Scopes>().unwrap().to_string(), printed);
    }
    assert_eq!(Scopes::full().to_string(), "full");
}

#[test]
fn what_gives_nothing_or_means_nothing_is_refused() {
    for text in ["", "  ", "read-only"] {
        assert_eq!(text.parse::<Scopes>(), Err(InvalidScope::Nothing), "{text:?}");
    }
    for text in
        ["all", "Full", "skill:", "skill:A", "skill:../x", "action:", "action:a/", "action:*/x", "mcp:x"]
    {
        assert!(matches!(text.parse::<Scopes>(), Err(InvalidScope::Unknown(_))), "{text:?}");
    }
    assert_eq!("mcp ".repeat(MAX_SCOPES + 1).parse::<Scopes>(), Err(InvalidScope::TooMany));
}

#[test]
fn chosen_skills_leave_out_the_others_also_beside_marketplaces() {
    for text in ["skill:lint-pro", "marketplaces skill:lint-pro"] {
        let scopes: Scopes = text.parse().unwrap();
        assert!(scopes.permits(&Need::Marketplace) && scopes.permits(&Need::Skill("lint-pro")));
        assert!(!scopes.permits(&Need::Skill("deploy")), "{text}");
        assert!(!Scopes::of([Scope::Marketplaces]).is_within(&scopes));
    }
    assert!(Scopes::of([Scope::Marketplaces]).permits(&Need::Skill("deploy")));
}

#[test]
fn a_refusal_says_what_was_asked_and_what_the_token_is_limited_to() {
    let scopes: Scopes = "skill:lint-pro".parse().unwrap();
    insta::assert_snapshot!(
        scopes.refusal(&Need::Skill("deploy")),
        @"this token may not fetch the skill deploy: it is limited to `skill:lint-pro`; use one that allows it"
    );
}

#[test]
fn who_only_reads_is_not_said_to_change_anything() {
    let told = |text: &str| text.parse::<Scopes>().unwrap().explain().join("; ");
    assert_eq!(told("account"), "view and change your account, tokens and sessions");
    assert_eq!(told("account read-only"), "view your account, tokens and sessions; change nothing");
    for scope in ["full", "creator", "account", "marketplaces", "mcp", "skill:lint-pro"] {
        let told = told(&format!("{scope} read-only"));
        let (before, last) = told.rsplit_once("; ").unwrap();
        assert_eq!(last, "change nothing");
        assert!(!before.contains("change") && !before.contains("push"), "{told}");
    }
}

proptest! {
    #[test]
    fn scopes_read_back_as_themselves(scopes in scopes()) {
        prop_assume!(scopes.iter().any(|scope| *scope != Scope::ReadOnly));
        prop_assert_eq!(scopes.to_string().parse::<Scopes>(), Ok(scopes));
    }

    #[test]
    fn full_permits_everything_and_nothing_permits_more(scopes in scopes()) {
        for need in needs() {
            prop_assert!(Scopes::full().permits(&need));
        }
        prop_assert!(scopes.is_within(&Scopes::full()) && scopes.is_within(&scopes));
    }

    #[test]
    fn read_only_takes_away_every_write_and_nothing_else(scopes in scopes()) {
        let reading = Scopes::of(scopes.iter().cloned().chain([Scope::ReadOnly]));
        for need in needs() {
            prop_assert_eq!(reading.permits(&need), scopes.permits(&need) && !need.writes(), "{}", need);
        }
    }

    #[test]
    fn whatever_lies_within_opens_nothing_more(inner in scopes(), outer in scopes()) {
        if inner.is_within(&outer) {
            for need in needs() {
                prop_assert!(outer.permits(&need) || !inner.permits(&need), "{inner} / {outer}: {need}");
            }
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text: String) {
        let _ = text.parse::<Scopes>();
    }
}
