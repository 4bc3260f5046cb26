//! What a search leaves of a list: the rows of one page, with links to its other views and pages. `list.html` shows it.
//! Lists of one person's things are short enough to search in memory; the use case that reads them bounds them.

use skaas_app::operators::Found;

use super::Fields;

/// Rows on one page.
const PAGE_ROWS: usize = skaas_app::operators::PAGE_ROWS as usize;

/// Lists up to this length are shown without search and views.
const SHORT: usize = 5;

/// A view of a list: the rows that `holds` is true for.
pub(crate) struct View<T> {
    /// The word in addresses; empty for the view that is shown first.
    pub(crate) word: &'static str,
    /// The label of its tab.
    pub(crate) label: &'static str,
    /// Which rows belong to it.
    pub(crate) holds: fn(&T) -> bool,
}

/// A link to a view; `tabs` of `ui.html` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tab {
    /// Where it leads.
    pub(crate) path: String,
    /// What it says.
    pub(crate) label: &'static str,
    /// Whether it is the view on the page.
    pub(crate) is_here: bool,
}

/// A list as its page calls it.
pub(crate) struct About<T: 'static> {
    /// The page's path.
    pub(crate) path: String,
    /// One row, and several.
    pub(crate) nouns: (&'static str, &'static str),
    /// The views, first one first; none for a list without.
    pub(crate) views: &'static [View<T>],
}

/// What a query asks of a list that is searched where it is stored.
pub(crate) struct Asked {
    /// The text to search for.
    pub(crate) search: String,
    /// The chosen view's word.
    pub(crate) view: &'static str,
    /// The number of the page, from 1.
    pub(crate) page: usize,
}

impl Asked {
    /// What `query` asks. What it says wrongly is ignored, since people edit addresses.
    pub(crate) fn of<T>(views: &'static [View<T>], query: &Fields) -> Self {
        let chosen = views.iter().find(|view| view.word == query.get("view")).or(views.first());
        Self {
            search: query.trimmed("q").chars().take(100).collect(),
            view: chosen.map_or("", |view| view.word),
            page: query.get("page").parse().unwrap_or(1),
        }
    }
}

/// One page of the rows that match.
pub(crate) struct Results<T> {
    /// The rows to show.
    pub(crate) rows: Vec<T>,
    /// The page's path, without query.
    pub(crate) path: String,
    /// What was searched for.
    pub(crate) search: String,
    /// The chosen view's word.
    pub(crate) view: &'static str,
    /// Word and label of every view.
    pub(crate) views: Vec<(&'static str, &'static str)>,
    /// The number of this page, from 1.
    pub(crate) page: usize,
    /// How many pages there are; at least 1.
    pub(crate) pages: usize,
    matching: usize,
    all: usize,
    nouns: (&'static str, &'static str),
}

impl<T> Results<T> {
    /// The page that `query` asks for: `q` is searched for in `text` of a row, `view` and `page` choose. What the query
    /// says wrongly is ignored, since people edit addresses.
    pub(crate) fn of(about: About<T>, query: &Fields, rows: Vec<T>, text: impl Fn(&T) -> String) -> Self {
        let About { path, nouns, views } = about;
        let search: String = query.trimmed("q").chars().take(100).collect();
        let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
        let chosen = views.iter().find(|view| view.word == query.get("view")).or(views.first());
        let all = rows.len();
        let is_found = |row: &T| {
            let text = text(row).to_lowercase();
            chosen.is_none_or(|view| (view.holds)(row)) && words.iter().all(|word| is_in(&text, word))
        };
        let found: Vec<T> = rows.into_iter().filter(is_found).collect();
        let (matching, pages) = (found.len(), found.len().div_ceil(PAGE_ROWS).max(1));
        let page = query.get("page").parse().unwrap_or(1).clamp(1, pages);
        Self {
            rows: found.into_iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS).collect(),
            path,
            search,
            view: chosen.map_or("", |view| view.word),
            views: views.iter().map(|view| (view.word, view.label)).collect(),
            page,
            pages,
            matching,
            all,
            nouns,
        }
    }

    /// The page that a search in storage found, [`PAGE_ROWS`] at most.
    pub(crate) fn found(about: About<T>, asked: Asked, found: Found<T>) -> Self {
        let [matching, all] =
            [found.matching, found.all].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        Self {
            rows: found.rows,
            path: about.path,
            search: asked.search,
            view: asked.view,
            views: about.views.iter().map(|view| (view.word, view.label)).collect(),
            page: found.page,
            pages: matching.div_ceil(PAGE_ROWS).max(1),
            matching,
            all,
            nouns: about.nouns,
        }
    }

    /// Whether the list itself is empty, rather than what was found in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.all == 0
    }

    /// Whether nothing was found in a list that is not empty.
    pub(crate) fn found_nothing(&self) -> bool {
        self.matching == 0 && self.all > 0
    }

    /// Whether the list is long enough to be searched, or is being searched.
    pub(crate) fn is_searchable(&self) -> bool {
        self.all > SHORT || !self.search.is_empty() || !self.view.is_empty()
    }

    /// What is shown: "12 tokens", "3 of 12 tokens".
    pub(crate) fn count(&self) -> String {
        let noun = if self.all == 1 { self.nouns.0 } else { self.nouns.1 };
        if self.matching == self.all {
            return format!("{} {noun}", self.all);
        }
        format!("{} of {} {noun}", self.matching, self.all)
    }

    /// A link to every view, with the same search.
    pub(crate) fn tabs(&self) -> Vec<Tab> {
        let tab = |(word, label): &(&'static str, &'static str)| Tab {
            path: self.address(word, 1),
            label,
            is_here: *word == self.view,
        };
        self.views.iter().map(tab).collect()
    }

    /// The page before this one.
    pub(crate) fn previous(&self) -> Option<String> {
        (self.page > 1).then(|| self.address(self.view, self.page - 1))
    }

    /// The page after this one.
    pub(crate) fn next(&self) -> Option<String> {
        (self.page < self.pages).then(|| self.address(self.view, self.page + 1))
    }

    fn address(&self, view: &str, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.search.is_empty() {
            query.append_pair("q", &self.search);
        }
        if !view.is_empty() {
            query.append_pair("view", view);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}

/// Whether a word that was searched for is in a text: a short one only where a word of the text begins, or it would be
/// found by chance in IDs.
fn is_in(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    word.len() > 3 && text.contains(word)
        || text.match_indices(word).any(|(at, _)| !text[..at].ends_with(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    static VIEWS: [View<u32>; 2] = [
        View { word: "", label: "All", holds: |_| true },
        View { word: "even", label: "Even", holds: |number| number.is_multiple_of(2) },
    ];

    fn results(query: &str, rows: u32) -> Results<u32> {
        let about = About { path: "/numbers".to_owned(), nouns: ("number", "numbers"), views: &VIEWS };
        let text = |number: &u32| format!("Number {number}");
        Results::of(about, &Fields::parse(query.as_bytes()), (0..rows).collect(), text)
    }

    #[test]
    fn a_search_finds_every_word_in_any_case_and_keeps_its_view() {
        let found = results("q=+1++NUMBER+&view=even", 100);
        assert_eq!(found.rows, [10, 12, 14, 16, 18]);
        assert_eq!(found.count(), "5 of 100 numbers");
        assert_eq!(found.tabs()[0].path, "/numbers?q=1++NUMBER");
        assert!(found.tabs()[1].is_here && !found.tabs()[0].is_here);
        let none = results("q=eleven", 100);
        assert!(none.found_nothing() && !none.is_empty() && none.rows.is_empty());
    }

    #[test]
    fn a_short_word_is_found_where_a_word_begins_and_a_longer_one_anywhere() {
        let text = "runner 3 sk_live_a3bk7q";
        assert!(is_in(text, "3") && is_in(text, "run") && is_in(text, "sk_live_a3b") && is_in(text, "unner"));
        assert!(!is_in(text, "a3b") && !is_in(text, "7") && !is_in(text, "ner"));
    }

    #[test]
    fn every_row_is_on_exactly_one_page_and_wrong_pages_show_the_nearest() {
        let mut seen = Vec::new();
        for page in 1..=5 {
            seen.extend(results(&format!("page={page}"), 95).rows);
        }
        assert_eq!(seen, (0..95).collect::<Vec<_>>());
        for (asked, shown) in [
            ("", 1),
            ("page=0", 1),
            ("page=-3", 1),
            ("page=x", 1),
            ("page=99999999999999999999", 1),
            ("page=77", 5),
        ] {
            assert_eq!(results(asked, 95).page, shown, "{asked}");
        }
        let second = results("page=2&q=number", 95);
        assert_eq!(second.previous().unwrap(), "/numbers?q=number");
        assert_eq!(second.next().unwrap(), "/numbers?q=number&page=3");
        assert_eq!((results("", 95).previous(), results("page=5", 95).next()), (None, None));
    }

    #[test]
    fn short_lists_have_no_search_until_somebody_searches() {
        assert!(!results("", 5).is_searchable() && results("", 6).is_searchable());
        assert!(results("q=x", 2).is_searchable() && results("view=even", 2).is_searchable());
        assert!(results("", 0).is_empty() && !results("view=odd", 0).is_searchable());
        assert_eq!(results("", 1).count(), "1 number");
    }
}
