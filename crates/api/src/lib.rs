//! The JSON that the server and the command line say to each other: one type per document, so that neither
//! can drift from the other. Refuses behaviour, HTTP and everything else of ours.
//!
//! Readers ignore fields they do not know and fill in what is missing where a default makes sense: an older
//! command line keeps working against a newer server.
//!
//! Times are RFC 3339 in UTC; durations are whole seconds.

mod activity;
mod application;
mod device;
mod finding;
mod oauth_error;
mod price;
mod problem;
mod profile;
mod secret;
mod session;
mod token;

pub use activity::{ActivityInfo, ActivityList};
pub use application::{ApplicationInfo, ApplicationList};
pub use device::{
    CLI_CLIENT_ID, CliStart, CliState, CliStatus, DEVICE_CODE_GRANT, DeviceAuthorizationRequest,
    DeviceAuthorizationResponse, DeviceTokenRequest, RevocationRequest, TokenResponse,
};
pub use finding::Finding;
pub use oauth_error::{OAuthError, OAuthErrorCode};
pub use price::Price;
pub use problem::Problem;
pub use profile::{Links, Me, Profile};
pub use secret::Secret;
pub use session::{SessionInfo, SessionList};
pub use token::{CreatedToken, NewToken, TokenInfo, TokenList};
