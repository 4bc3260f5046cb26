//! Pages are made of the components in `templates/components`: no page has controls, tables, styles or icons of its own,
//! and the colors of the stylesheet can be read and told apart.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every template: its path below `templates`, and its text without comments.
fn templates() -> BTreeMap<String, String> {
    let files = skaas_testkit::folder::everything(&crate_folder().join("templates"));
    let named = files.into_iter().map(|(file, bytes)| {
        let mut text = String::from_utf8(bytes).unwrap();
        while let Some(start) = text.find("{#") {
            let end = start + text[start..].find("#}").unwrap() + 2;
            text.replace_range(start..end, "");
        }
        (file.rsplit_once("/templates/").map_or(file.clone(), |(_, file)| file.to_owned()), text)
    });
    named.collect()
}

#[test]
fn pages_have_no_controls_tables_or_styles_of_their_own() {
    let templates = templates();
    assert!(templates.len() > 20, "{:?}", templates.keys());
    for (file, text) in &templates {
        let lower = text.to_lowercase();
        for control in ["<input", "<select", "<textarea", "<label"] {
            let is_component = file == "components/form.html";
            assert!(
                is_component || !lower.contains(control),
                "{file} writes {control}: use components/form.html"
            );
        }
        for (part, home) in [
            ("<table", "components/list.html"),
            ("<svg", "components/ui.html"),
            ("<pre", "components/ui.html"),
        ] {
            assert!(file == home || !lower.contains(part), "{file} writes {part}: use {home}");
        }
        for inline in [" style=", "<style", " onclick=", "hx-on", "javascript:"] {
            assert!(!lower.contains(inline), "{file}: {inline} is refused by the content security policy");
        }
    }
}

#[test]
fn every_form_that_changes_something_carries_its_proof() {
    for (file, text) in templates() {
        for form in text.split("<form ").skip(1) {
            let (tag, rest) = form.split_once(">\n").unwrap();
            let proof = rest.trim_start().starts_with("{{ form::csrf() }}");
            assert!(!tag.contains("method=\"post\"") || proof, "{file}: {tag}");
        }
    }
}

#[test]
fn every_icon_that_a_page_names_is_in_the_sprite() {
    let sprite = std::fs::read_to_string(crate_folder().join("assets/vendor/icons.svg")).unwrap();
    let ids: BTreeSet<&str> =
        sprite.split("<symbol id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let listed = std::fs::read_to_string(crate_folder().join("assets/vendor/icons.txt")).unwrap();
    assert_eq!(ids, listed.lines().collect(), "run scripts/vendor-assets.sh");
    let code = std::fs::read_to_string(crate_folder().join("src/web/frame.rs")).unwrap();
    let mut used = BTreeSet::new();
    for text in templates().into_values().chain([code]) {
        for start in ["icon(\"", "icon_name=\"", "icon: \""] {
            used.extend(text.split(start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    assert!(used.len() > 10, "{used:?}");
    let ids: BTreeSet<String> = ids.into_iter().map(str::to_owned).collect();
    assert_eq!(used, ids, "left: what pages name; right: what icons.txt has");
}

/// A color as linear light.
type Light = [f64; 3];

/// The tokens of the stylesheet that are a pair of colors: in the light theme, and in the dark one.
fn colors() -> BTreeMap<String, [Light; 2]> {
    let css = std::fs::read_to_string(crate_folder().join("assets/app.css")).unwrap();
    let mut found = BTreeMap::new();
    for declaration in css.split("light-dark(#").collect::<Vec<_>>().windows(2) {
        let name = declaration[0].rsplit("--").next().unwrap().trim().trim_end_matches(':');
        let mut pair = declaration[1].split(')').next().unwrap().split(", #");
        let mut light = || {
            let hex = pair.next()?;
            let channel = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
            Some([channel(0)?, channel(2)?, channel(4)?].map(|byte| {
                let share = f64::from(byte) / 255.0;
                if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
            }))
        };
        if let (Some(light), Some(dark)) = (light(), light()) {
            found.insert(name.to_owned(), [light, dark]);
        }
    }
    found
}

fn times(matrix: [[f64; 3]; 3], light: Light) -> Light {
    matrix.map(|row| row[0] * light[0] + row[1] * light[1] + row[2] * light[2])
}

/// WCAG 2.2, relative luminance.
fn luminance([red, green, blue]: Light) -> f64 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: Light, other: Light) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

/// The distance that people see between two colors (CIE 1976): 2.3 is just noticeable.
fn distance(one: Light, other: Light) -> f64 {
    let lab = |light: Light| {
        let [x, y, z] = times(
            [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]],
            light.map(|share| share.clamp(0.0, 1.0)),
        );
        let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let (x, y, z) = (f(x / 0.9505), f(y), f(z / 1.089));
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    };
    let (one, other) = (lab(one), lab(other));
    (0..3).map(|at| (one[at] - other[at]).powi(2)).sum::<f64>().sqrt()
}

/// How people with no working red, green or blue cones see a color (Machado, Oliveira and Fernandes 2009, severity 1).
const BLINDNESS: [(&str, [[f64; 3]; 3]); 4] = [
    ("full color", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

#[test]
fn text_can_be_read_on_every_surface_in_both_themes() {
    let colors = colors();
    for theme in [0, 1] {
        let color = |name: &str| {
            colors.get(name).unwrap_or_else(|| panic!("--{name} is gone: {:?}", colors.keys()))[theme]
        };
        for tone in ["info", "ok", "warn", "danger"] {
            let surface = color(&format!("{tone}-surface"));
            for (text, least) in [(color(tone), 4.5), (color("fg"), 7.0)] {
                let ratio = contrast(text, surface);
                assert!(ratio >= least, "{tone} in theme {theme}: {ratio:.2}");
            }
        }
        for (text, surface) in [
            ("fg", "bg"),
            ("muted", "bg"),
            ("muted", "surface"),
            ("muted", "page"),
            ("accent", "bg"),
            ("on-accent", "accent"),
        ] {
            let ratio = contrast(color(text), color(surface));
            assert!(ratio >= 4.5, "{text} on {surface} in theme {theme}: {ratio:.2}");
        }
    }
}

#[test]
fn the_five_chart_colors_are_told_apart_by_everyone_in_both_themes() {
    let colors = colors();
    for theme in [0, 1] {
        let series: Vec<Light> = (1..=5).map(|number| colors[&format!("chart-{number}")][theme]).collect();
        for (sight, matrix) in BLINDNESS {
            for (at, one) in series.iter().enumerate() {
                let ratio = contrast(*one, colors["bg"][theme]);
                assert!(ratio >= 3.0, "chart-{} on the page in theme {theme}: {ratio:.2}", at + 1);
                for (then, other) in series.iter().enumerate().skip(at + 1) {
                    let seen = distance(times(matrix, *one), times(matrix, *other));
                    assert!(
                        seen >= 20.0,
                        "chart-{} and chart-{} with {sight} in theme {theme}: {seen:.1}",
                        at + 1,
                        then + 1
                    );
                }
            }
        }
    }
}
