//! Renders the components that no page shows yet, and states that pages rarely have, for a snapshot.

use askama::Template;

use super::{
    Fault, Fields,
    results::{About, Results, Tab},
};

/// What the components read of a page's frame.
struct Frame {
    icons: &'static str,
    csrf: &'static str,
}

#[derive(Template)]
#[template(path = "components/gallery.html")]
struct Gallery {
    frame: Frame,
    tabs: Vec<Tab>,
    warning: &'static str,
    series: [&'static str; 5],
    pages: Results<u32>,
    options: [(&'static str, &'static str); 2],
    period: String,
    fault: Fault,
}

#[test]
fn every_component_renders_as_its_snapshot_says() {
    let tab = |path: &str, label, is_here| Tab { path: path.to_owned(), label, is_here };
    let about = About { path: "/sales".to_owned(), nouns: ("sale", "sales"), views: &[] };
    let query = Fields::parse(b"page=2");
    let gallery = Gallery {
        frame: Frame { icons: "/assets/icons.svg?v=0", csrf: "token" },
        tabs: vec![tab("/sales", "Month", true), tab("/sales?view=year", "Year", false)],
        warning: "Your card expires <soon>.",
        series: ["lint-pro", "migration-guard", "review", "release-notes", "others"],
        pages: Results::of(about, &query, (0..50).collect(), ToString::to_string),
        options: [("7", "7 days"), ("30", "30 days")],
        period: "30".to_owned(),
        fault: Fault { field: "email", text: "Enter an email address, like ann@example.com.".to_owned() },
    };
    let html = gallery.render().unwrap();
    let lines: Vec<&str> = html.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
