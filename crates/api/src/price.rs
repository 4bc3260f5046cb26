//! What the API says about the prices of a skill.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A price of a skill. A price never changes: another amount is another price with another ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Price {
    /// `prc_…`
    pub id: String,
    /// The amount in the currency's minor unit (ISO 4217); 0 is free.
    pub amount: i64,
    /// The ISO 4217 code. A free price has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// How often it is paid: `once`, `month` or `year`. A free price has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// The price as people read it: `$9 a month`.
    pub text: String,
    /// When it was set, in a list that includes archived prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was archived. An active price has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
}
