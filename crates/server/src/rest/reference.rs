//! Owns the page at `/api`: the OpenAPI document as people read it. Refuses to know more of the interface than
//! the document says.

use std::collections::BTreeMap;

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::get};
use serde_json::Value;

use super::document;
use crate::web::{Browser, Frame, PageError, WebState, show};

/// A text in pieces: what stands between backticks is code.
type Prose = Vec<Piece>;

/// A piece of a text.
struct Piece {
    text: String,
    is_code: bool,
}

/// Operations under one tag.
struct Group {
    name: String,
    title: String,
    about: Prose,
    operations: Vec<Operation>,
}

/// One method of one address.
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: Prose,
    about: Prose,
    /// The ways to show who one is, any of which will do; none where everybody may.
    ways: Vec<String>,
    parameters: Vec<Field>,
    body: Option<Body>,
    answers: Vec<Answer>,
    curl: String,
}

/// A value in a body, or in an address.
struct Field {
    name: String,
    kind: String,
    is_needed: bool,
    about: Prose,
}

/// A JSON object that is sent or answered.
struct Body {
    name: String,
    about: Prose,
    fields: Vec<Field>,
}

/// What comes back.
struct Answer {
    status: String,
    about: Prose,
    body: Option<String>,
}

/// A way to show who one is.
struct Way {
    name: &'static str,
    about: Prose,
}

#[derive(Template)]
#[template(path = "api.html")]
struct Reference {
    frame: Frame,
    base: String,
    about: Prose,
    ways: Vec<Way>,
    groups: Vec<Group>,
    refusals: Vec<Answer>,
    bodies: Vec<Body>,
}

/// The page, without the layer.
pub(crate) fn page_routes() -> Router<WebState> {
    Router::new().route("/api", get(page))
}

async fn page(State(state): State<WebState>, browser: Browser) -> Result<Response, PageError> {
    let document = serde_json::to_value(document()).map_err(skaas_app::Error::internal)?;
    show(&reference(browser.frame("api"), &state.app.voice().public_url, &document))
}

fn reference(frame: Frame, base: &str, document: &Value) -> Reference {
    let operations = operations(base, document);
    let refusals: BTreeMap<String, Answer> = each_operation(document)
        .flat_map(|(_, _, operation)| answers(operation))
        .filter(|answer| answer.status.as_str() >= "400")
        .map(|answer| (answer.status.clone(), answer))
        .collect();
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    Reference {
        frame,
        base: base.to_owned(),
        // Without the sentence that leads here.
        about: prose(
            &text(&document["info"]["description"]).replace(" The same as a page: [/api](/api).", "").into(),
        ),
        ways: ways(document),
        groups: groups(document, operations),
        refusals: refusals.into_values().collect(),
        bodies: schemas.map(|(name, schema)| body(name, schema)).filter(|b| !b.fields.is_empty()).collect(),
    }
}

/// The description of something, in pieces.
fn prose(value: &Value) -> Prose {
    let pieces = value.as_str().unwrap_or_default().split('`').enumerate();
    let pieces = pieces.map(|(number, text)| Piece { text: text.to_owned(), is_code: number % 2 == 1 });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Path, method and what stands under both.
fn each_operation(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        // As people read them: what is there, what is added, what is taken away.
        ["get", "post", "put", "patch", "delete"]
            .into_iter()
            .filter_map(move |method| Some((path.as_str(), method, methods.get(method)?)))
    })
}

fn groups(document: &Value, mut operations: Vec<(String, Operation)>) -> Vec<Group> {
    let mut groups = Vec::new();
    for tag in list(&document["tags"]) {
        let name = text(&tag["name"]);
        let (of_tag, others) = operations.into_iter().partition(|(tag, _)| *tag == name);
        operations = others;
        let of_tag: Vec<(String, Operation)> = of_tag;
        let own = of_tag.into_iter().map(|(_, operation)| operation).collect();
        let mut title = name.clone();
        title[..1].make_ascii_uppercase();
        groups.push(Group { name, title, about: prose(&tag["description"]), operations: own });
    }
    groups
}

/// Each operation with its tag.
fn operations(base: &str, document: &Value) -> Vec<(String, Operation)> {
    let each = each_operation(document).map(|(path, method, found)| {
        let (path, method) = (path.to_owned(), method.to_uppercase());
        let sent = &found["requestBody"]["content"]["application/json"];
        let operation = Operation {
            id: text(&found["operationId"]),
            summary: prose(&found["summary"]),
            about: prose(&found["description"]),
            ways: list(&found["security"]).map(way).collect(),
            parameters: list(&found["parameters"]).map(parameter).collect(),
            body: referred(&sent["schema"])
                .map(|name| body(&name, &document["components"]["schemas"][name.as_str()])),
            answers: answers(found),
            curl: curl(base, &path, &method, found),
            path,
            method,
        };
        (text(&found["tags"][0]), operation)
    });
    each.collect()
}

/// One alternative of `security`, in words.
fn way(way: &Value) -> String {
    let parts = way.as_object().into_iter().flatten().map(|(name, scopes)| {
        let scopes: Vec<&str> = list(scopes).filter_map(Value::as_str).collect();
        let scopes =
            if scopes.is_empty() { String::new() } else { format!(" with scope {}", scopes.join(" ")) };
        match way_name(name) {
            // Within a sentence, where acronyms and header names stay as they are.
            Some(name) if name.contains(' ') => {
                format!("{}{scopes}", name.to_lowercase().replace("api ", "API "))
            }
            other => format!("{}{scopes}", other.unwrap_or(name)),
        }
    });
    let mut parts: Vec<String> = parts.collect();
    // The cookie before the proof that belongs to it.
    parts.reverse();
    parts.join(" with ")
}

fn way_name(scheme: &str) -> Option<&'static str> {
    match scheme {
        "token" => Some("API token"),
        "oauth" => Some("Access token"),
        "session" => Some("Signed-in browser"),
        "csrf" => Some("X-CSRF-Token"),
        _ => None,
    }
}

fn ways(document: &Value) -> Vec<Way> {
    let schemes = &document["components"]["securitySchemes"];
    let known = ["token", "oauth", "session", "csrf"].into_iter();
    known
        .filter_map(|name| {
            Some(Way { name: way_name(name)?, about: prose(&schemes.get(name)?["description"]) })
        })
        .collect()
}

fn parameter(parameter: &Value) -> Field {
    Field {
        name: text(&parameter["name"]),
        kind: kind(&parameter["schema"]),
        is_needed: parameter["required"] == true,
        about: prose(&parameter["description"]),
    }
}

fn answers(operation: &Value) -> Vec<Answer> {
    let answers = operation["responses"].as_object().into_iter().flatten();
    let answer = |(status, answer): (&String, &Value)| Answer {
        status: status.clone(),
        about: prose(&answer["description"]),
        body: answer["content"].as_object().and_then(|content| referred(&content.values().next()?["schema"])),
    };
    answers.map(answer).collect()
}

/// The name of the schema that is referred to.
fn referred(schema: &Value) -> Option<String> {
    schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()).map(str::to_owned)
}

fn body(name: &str, schema: &Value) -> Body {
    Body { name: name.to_owned(), about: prose(&schema["description"]), fields: fields(schema) }
}

/// The fields of an object, those of what it is made of first.
fn fields(schema: &Value) -> Vec<Field> {
    let mut all: Vec<Field> = Vec::new();
    for part in list(&schema["allOf"]) {
        match referred(part) {
            Some(name) => all.push(Field {
                name: "…".to_owned(),
                kind: String::new(),
                is_needed: true,
                about: prose(&format!("Everything that is in `{name}`.").into()),
            }),
            None => all.extend(fields(part)),
        }
    }
    let needed: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, value)| Field {
        name: name.clone(),
        kind: kind(value),
        is_needed: needed.contains(&name.as_str()),
        about: prose(described(value)),
    });
    all.extend(own);
    all
}

/// Where the description of a value stands: of one of several kinds it is beside the kind.
fn described(value: &Value) -> &Value {
    let choices = list(&value["oneOf"]).map(|choice| &choice["description"]);
    choices.fold(&value["description"], |found, other| if found.is_null() { other } else { found })
}

/// What a value is, in the words of JSON.
fn kind(schema: &Value) -> String {
    if let Some(name) = referred(schema) {
        return name;
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(kind).filter(|kind| kind != "null").collect::<Vec<_>>().join(" or ");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        several => list(several).filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
    };
    let named = types.join(" or ");
    match (named.as_str(), schema["format"].as_str()) {
        ("array", _) => format!("array of {}", kind(&schema["items"])),
        ("string", Some("date-time")) => "time".to_owned(),
        ("string", Some("password")) => "string (secret)".to_owned(),
        _ => named,
    }
}

/// A command that does it.
fn curl(base: &str, path: &str, method: &str, operation: &Value) -> String {
    let mut path = path.to_owned();
    for parameter in list(&operation["parameters"]) {
        let name = text(&parameter["name"]);
        let example = parameter["example"].as_str().map_or_else(|| name.to_uppercase(), str::to_owned);
        path = path.replace(&format!("{{{name}}}"), &example);
    }
    let mut words = vec!["curl".to_owned()];
    if method != "GET" {
        words.push(format!("-X {method}"));
    }
    if list(&operation["security"]).next().is_some() {
        words.push("-H \"Authorization: Bearer $SKAAS_TOKEN\"".to_owned());
    }
    if let Some(example) = operation["requestBody"]["content"]["application/json"].get("example") {
        words.push(format!("-H 'Content-Type: application/json' -d '{example}'"));
    }
    words.push(format!("{base}{path}"));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Vec<Operation> {
        let document = serde_json::to_value(document()).unwrap();
        let operations = operations("https://skaas.example", &document);
        let count = operations.len();
        let shown: Vec<Operation> =
            groups(&document, operations).into_iter().flat_map(|group| group.operations).collect();
        assert_eq!(shown.len(), count, "each has a tag that the document describes");
        shown
    }

    #[test]
    fn every_operation_is_shown_with_a_command_that_does_it() {
        let commands: Vec<String> = shown().into_iter().map(|operation| operation.curl).collect();
        insta::assert_snapshot!(commands.join("\n"), @r#"
        curl -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/me
        curl -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/me/activity
        curl -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/tokens
        curl -X POST -H "Authorization: Bearer $SKAAS_TOKEN" -H 'Content-Type: application/json' -d '{"name":"ci","scopes":"marketplaces","expires_in":2592000}' https://skaas.example/api/tokens
        curl -X DELETE -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/tokens/current
        curl -X DELETE -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/tokens/tok_01jc0000000000000000000000
        curl -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/sessions
        curl -X DELETE -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/sessions/ses_01jc0000000000000000000000
        curl -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/applications
        curl -X DELETE -H "Authorization: Bearer $SKAAS_TOKEN" https://skaas.example/api/applications/ogr_01jc0000000000000000000000
        curl https://skaas.example/api/users/ann
        "#);
    }

    #[test]
    fn what_a_body_holds_is_told_in_the_words_of_json() {
        let document = serde_json::to_value(document()).unwrap();
        let told = |name: &str| {
            let fields = fields(&document["components"]["schemas"][name]);
            let told =
                fields.iter().map(|field| format!("{} {}", field.name, field.kind).trim_end().to_owned());
            told.collect::<Vec<_>>().join(", ")
        };
        insta::assert_snapshot!([told("Me"), told("CreatedToken"), told("ApplicationList")].join("\n"), @r"
        id string, username string, email string, email_verified boolean, created_at time, token TokenInfo, links Links
        …, token Secret
        applications array of ApplicationInfo
        ");
    }

    #[test]
    fn ways_to_show_who_one_is_are_told_in_words() {
        let told = |id: &str| shown().into_iter().find(|one| one.id == id).unwrap().ways.join("; ");
        insta::assert_snapshot!([told("listTokens"), told("revokeToken"), told("getUser")].join("\n"), @r"
        API token with scope account; access token with scope account; signed-in browser
        API token with scope account; access token with scope account; signed-in browser with X-CSRF-Token
        ");
    }
}
