//! Owns how a value becomes a column and a column a value, once for both drivers. Refuses rows that
//! cannot have been written: they surface as a decoding error with the column's name.

use jiff::Timestamp;
use skaas_domain::{
    audit::{ActorKind, Outcome, Subject},
    entitlement::{GrantKind, StubReason},
    id::{
        CodeId, DeviceId, GrantId, IdentityId, JobId, OauthClientId, OauthGrantId, OauthTokenId, OrderId,
        PasskeyId, PriceId, ReleaseId, SessionId, SignInId, SkillId, SourceId, TokenId, UserId,
    },
    identity::ProviderKind,
    listing::ListingState,
    master_key::MasterKeyId,
    oauth::{Challenge, OauthTokenKind},
    scope::Scopes,
    secret::SecretHash,
    token::TokenHash,
};
use sqlx::{Decode, Encode, Postgres, Row, Sqlite, Type, postgres::PgRow, sqlite::SqliteRow, types::Json};

use crate::oid::Oid;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What both drivers can carry.
pub(crate) trait Raw:
    for<'r> Decode<'r, Sqlite>
    + for<'r> Decode<'r, Postgres>
    + for<'q> Encode<'q, Sqlite>
    + for<'q> Encode<'q, Postgres>
    + Type<Sqlite>
    + Type<Postgres>
    + Send
    + 'static
{
}

impl<T> Raw for T where
    T: for<'r> Decode<'r, Sqlite>
        + for<'r> Decode<'r, Postgres>
        + for<'q> Encode<'q, Sqlite>
        + for<'q> Encode<'q, Postgres>
        + Type<Sqlite>
        + Type<Postgres>
        + Send
        + 'static
{
}

/// A type of ours that is read out of one column.
pub(crate) trait Column: Sized {
    type Raw: Raw;
    fn from_raw(raw: Self::Raw) -> Result<Self, BoxError>;
}

/// A type of ours that is bound to one placeholder.
pub(crate) trait Bind {
    type Raw: Raw;
    fn to_raw(&self) -> Self::Raw;
}

/// A row of either database.
pub(crate) trait Fields {
    fn get<T: Column>(&self, name: &str) -> sqlx::Result<T>;
}

/// What a whole row decodes into.
pub(crate) trait Record: Sized {
    fn read(row: &impl Fields) -> sqlx::Result<Self>;
}

/// A row of one column named `value`.
pub(crate) struct Value<T>(pub(crate) T);

impl<T: Column> Record for Value<T> {
    fn read(row: &impl Fields) -> sqlx::Result<Self> {
        row.get("value").map(Self)
    }
}

/// Why a mix of columns cannot have been written: to be returned by hand-written [`Record`]s.
pub(crate) fn impossible(column: &str, why: &'static str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.into(), source: why.into() }
}

macro_rules! fields {
    ($($row:ty),*) => {$(
        impl Fields for $row {
            fn get<T: Column>(&self, name: &str) -> sqlx::Result<T> {
                let raw: T::Raw = self.try_get(name)?;
                T::from_raw(raw)
                    .map_err(|source| sqlx::Error::ColumnDecode { index: name.into(), source })
            }
        }
    )*};
}
fields!(SqliteRow, PgRow);

macro_rules! texts {
    ($($name:ty),*) => {$(
        impl Column for $name {
            type Raw = String;
            fn from_raw(raw: String) -> Result<Self, BoxError> { raw.parse().map_err(Into::into) }
        }
        impl Bind for $name {
            type Raw = String;
            fn to_raw(&self) -> String { self.to_string() }
        }
    )*};
}
texts!(UserId, TokenId, SourceId, SkillId, ReleaseId, GrantId, PriceId, OrderId, crate::steps::Repo);
texts!(SessionId, IdentityId, SignInId, CodeId, DeviceId, OauthClientId, OauthGrantId, OauthTokenId, JobId);
texts!(PasskeyId);
texts!(ProviderKind, Scopes, MasterKeyId, Subject);

macro_rules! words {
    ($($name:ty),*) => {$(
        impl Column for $name {
            type Raw = String;
            fn from_raw(raw: String) -> Result<Self, BoxError> { raw.parse().map_err(Into::into) }
        }
        impl Bind for $name {
            type Raw = String;
            fn to_raw(&self) -> String { self.as_str().to_owned() }
        }
    )*};
}
words!(GrantKind, StubReason, ListingState, OauthTokenKind, crate::codes::CodeKind, crate::jobs::JobState);
words!(ActorKind, Outcome);
words!(crate::ceremonies::CeremonyKind);

macro_rules! plain {
    ($($name:ty),*) => {$(
        impl Column for $name {
            type Raw = Self;
            fn from_raw(raw: Self) -> Result<Self, BoxError> { Ok(raw) }
        }
        impl Bind for $name {
            type Raw = Self;
            fn to_raw(&self) -> Self { self.clone() }
        }
    )*};
}
plain!(i64, String, Vec<u8>);

impl Column for Timestamp {
    type Raw = i64;

    fn from_raw(raw: i64) -> Result<Self, BoxError> {
        Self::from_microsecond(raw).map_err(Into::into)
    }
}

impl Bind for Timestamp {
    type Raw = i64;

    /// Microseconds since 1970, rounded towards it.
    fn to_raw(&self) -> i64 {
        self.as_microsecond()
    }
}

impl Column for Oid {
    type Raw = Vec<u8>;

    fn from_raw(raw: Vec<u8>) -> Result<Self, BoxError> {
        Self::from_slice(&raw).map_err(Into::into)
    }
}

impl Bind for Oid {
    type Raw = Vec<u8>;

    fn to_raw(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

macro_rules! hashes {
    ($($name:ty),*) => {$(
        impl Column for $name {
            type Raw = Vec<u8>;
            fn from_raw(raw: Vec<u8>) -> Result<Self, BoxError> {
                raw.try_into().map(Self).map_err(|_| "a hash has 32 bytes".into())
            }
        }
        impl Bind for $name {
            type Raw = Vec<u8>;
            fn to_raw(&self) -> Vec<u8> { self.0.to_vec() }
        }
    )*};
}
hashes!(TokenHash, SecretHash);

impl Column for Challenge {
    type Raw = String;

    fn from_raw(raw: String) -> Result<Self, BoxError> {
        Self::parse(Some("S256"), &raw).map_err(Into::into)
    }
}

impl Bind for Challenge {
    type Raw = String;

    fn to_raw(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Column for Vec<String> {
    type Raw = Json<Vec<String>>;

    fn from_raw(raw: Json<Vec<String>>) -> Result<Self, BoxError> {
        Ok(raw.0)
    }
}

impl Bind for [String] {
    type Raw = Json<Vec<String>>;

    fn to_raw(&self) -> Json<Vec<String>> {
        Json(self.to_vec())
    }
}

impl Bind for Vec<String> {
    type Raw = Json<Self>;

    fn to_raw(&self) -> Json<Self> {
        Json(self.clone())
    }
}

impl Column for serde_json::Value {
    type Raw = Json<Self>;

    fn from_raw(raw: Json<Self>) -> Result<Self, BoxError> {
        Ok(raw.0)
    }
}

impl Bind for serde_json::Value {
    type Raw = Json<Self>;

    fn to_raw(&self) -> Json<Self> {
        Json(self.clone())
    }
}

impl Bind for str {
    type Raw = String;

    fn to_raw(&self) -> String {
        self.to_owned()
    }
}

impl<T: Bind + ?Sized> Bind for &T {
    type Raw = T::Raw;

    fn to_raw(&self) -> T::Raw {
        (**self).to_raw()
    }
}

impl<T: Column> Column for Option<T>
where
    Option<T::Raw>: Raw,
{
    type Raw = Option<T::Raw>;

    fn from_raw(raw: Self::Raw) -> Result<Self, BoxError> {
        raw.map(T::from_raw).transpose()
    }
}

impl<T: Bind> Bind for Option<T>
where
    Option<T::Raw>: Raw,
{
    type Raw = Option<T::Raw>;

    fn to_raw(&self) -> Self::Raw {
        self.as_ref().map(Bind::to_raw)
    }
}

/// `record!(Type { field: Type, field: Type = "column", … })`: the type is read out of columns of these
/// names.
macro_rules! record {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $column:literal) => { $column };
    ($name:ident { $($field:ident: $ty:ty $(= $column:literal)?),* $(,)? }) => {
        impl $crate::column::Record for $name {
            fn read(row: &impl $crate::column::Fields) -> sqlx::Result<Self> {
                Ok(Self { $($field: row.get::<$ty>(record!(@name $field $($column)?))?),* })
            }
        }
    };
}
pub(crate) use record;
