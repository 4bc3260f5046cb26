//! A browser as far as sign-in pages need one: redirects, cookies, and forms with hidden fields.

use std::collections::BTreeMap;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use url::Url;

/// One person's browser.
pub(crate) struct Browser {
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
    /// Where the sign-in is to end; this address is not called.
    home: Url,
}

#[derive(Debug)]
struct Form {
    action: Url,
    fields: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(home: &Url) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { client, cookies: BTreeMap::new(), home: home.clone() }
    }

    /// Opens `url`, signs in as `person` wherever it is asked who they are, agrees to all else, and returns
    /// the query it was sent home with.
    pub(crate) async fn sign_in(&mut self, url: Url, person: &str) -> BTreeMap<String, String> {
        let (mut page_url, mut page) = match self.get(url).await {
            Ok(page) => page,
            Err(home) => return home,
        };
        for _ in 0..5 {
            let form = choose(&page_url, &page, person);
            match self.submit(form).await {
                Ok(next) => (page_url, page) = next,
                Err(home) => return home,
            }
        }
        panic!("the sign-in does not end: {page_url}\n{page}");
    }

    async fn get(&mut self, url: Url) -> Result<(Url, String), BTreeMap<String, String>> {
        let request = self.client.get(url.clone());
        self.follow(url, request).await
    }

    async fn submit(&mut self, form: Form) -> Result<(Url, String), BTreeMap<String, String>> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        let request = self
            .client
            .post(form.action.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.follow(form.action, request).await
    }

    async fn follow(
        &mut self,
        mut url: Url,
        mut request: reqwest::RequestBuilder,
    ) -> Result<(Url, String), BTreeMap<String, String>> {
        for _ in 0..10 {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let response = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
            for cookie in response.headers().get_all(SET_COOKIE) {
                let (name, value) =
                    cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            let Some(location) = response.headers().get(LOCATION) else {
                let status = response.status();
                let page = response.text().await.unwrap();
                assert!(status.is_success(), "{url} answered {status}: {page}");
                return Ok((url, page));
            };
            url = url.join(location.to_str().unwrap()).unwrap();
            if url.as_str().starts_with(self.home.as_str()) {
                return Err(url.query_pairs().into_owned().collect());
            }
            request = self.client.get(url.clone());
        }
        panic!("too many redirects: {url}");
    }
}

/// The form of the page that speaks of `person`, or the only one, with `person` typed where a name is asked for.
fn choose(page_url: &Url, page: &str, person: &str) -> Form {
    let forms: Vec<_> =
        page.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap()).collect();
    let mine = forms.iter().find(|form| forms.len() == 1 || form.contains(person));
    let form = mine.unwrap_or_else(|| panic!("{page_url} has no form for {person}:\n{page}"));
    let (head, body) = form.split_once('>').unwrap();
    let action = attribute(head, "action").map_or(page_url.clone(), |action| page_url.join(&action).unwrap());
    let inputs = body.split("<input ").skip(1).map(|input| input.split('>').next().unwrap());
    let fields = inputs
        .filter_map(|input| {
            let typed = attribute(input, "type").is_none_or(|kind| kind == "text" || kind == "password");
            let value = if typed { person.to_owned() } else { attribute(input, "value").unwrap_or_default() };
            Some((attribute(input, "name")?, value))
        })
        .collect();
    Form { action, fields }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next()?.replace("&#x2F;", "/").replace("&amp;", "&"))
}
