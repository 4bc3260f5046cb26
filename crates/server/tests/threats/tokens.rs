//! Tokens of those who are gone.

use skaas_testkit::app::{TestApp, story};

use crate::story::refs;

#[test]
fn a_deleted_user_is_nobody_at_the_next_request() {
    story(|app: &TestApp| {
        let path = refs("me/marketplace.git");
        let bob = app.buyer("bob");
        let mut line = bob.connects();
        assert_eq!(line.get(&path).status, 200);
        app.delete_user("bob");
        assert_eq!(line.get(&path).status, 401);
    });
}
