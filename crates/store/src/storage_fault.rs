//! What went wrong with object storage, in words an operator can act on. The only reader of another service's
//! error text: S3 repeats access keys and signed headers in its answers, so nothing of an answer is kept but
//! its error code.

use std::{error::Error as StdError, fmt, io};

use object_store::client::{HttpError, HttpErrorKind};

/// A failed request to object storage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct StorageFault {
    kind: StorageFaultKind,
    reason: String,
}

/// What is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageFaultKind {
    /// The service does not know the access key.
    UnknownKey,
    /// The secret key does not belong to the access key.
    WrongSecret,
    /// The key is valid and may not do this.
    Forbidden,
    /// There is no such bucket.
    NoBucket,
    /// The bucket is in another region.
    WrongRegion,
    /// This machine's clock and the service's differ too much for a signature to be accepted.
    ClockSkew,
    /// The host name does not resolve.
    UnknownHost,
    /// Nothing listens at the address.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No protected connection.
    Tls,
    /// The network or the connection broke.
    Unreachable,
    /// The service asks for fewer requests, or is out of order.
    Overloaded,
    /// No space left.
    Full,
    /// The folder does not exist.
    NoFolder,
    /// The folder cannot be written to.
    ReadOnly,
    /// None of the above.
    Other,
}

impl StorageFault {
    pub(crate) fn new(kind: StorageFaultKind, reason: impl fmt::Display) -> Self {
        Self { kind, reason: reason.to_string() }
    }

    /// What is at fault.
    pub fn kind(&self) -> StorageFaultKind {
        self.kind
    }

    /// What an operator can do about it.
    pub fn cure(&self) -> &'static str {
        use StorageFaultKind as K;
        match self.kind {
            K::UnknownKey => "check objects.access_key_id (S3_ACCESS_KEY_ID)",
            K::WrongSecret => "check objects.secret_access_key (S3_SECRET_ACCESS_KEY)",
            K::Forbidden => "allow this key to list the bucket and to get, put and delete its objects",
            K::NoBucket => "create the bucket, or correct objects.bucket (S3_BUCKET)",
            K::WrongRegion => "correct objects.region (S3_REGION)",
            K::ClockSkew => "set this machine's clock (by NTP): S3 accepts 15 minutes of difference",
            K::UnknownHost => "check objects.endpoint (S3_ENDPOINT) and this machine's DNS",
            K::Refused => {
                "check the host and port of objects.endpoint (S3_ENDPOINT), and that the service runs"
            }
            K::TimedOut | K::Unreachable => {
                "check the network and firewall between this machine and objects.endpoint (S3_ENDPOINT)"
            }
            K::Tls => {
                "check the service's certificate; for a private CA set SSL_CERT_FILE, for plain http S3_ALLOW_HTTP"
            }
            K::Overloaded => "wait, or look at the storage service: it is refusing requests",
            K::Full => "free space on the disk (or raise the quota) that holds the data folder",
            K::NoFolder => "restore the folder from a backup, or mount the disk that holds it",
            K::ReadOnly => "make the folder writable for the user the server runs as",
            K::Other => "check [objects] (S3_…): endpoint, bucket, region and keys",
        }
    }

    /// Reads an error of the file system.
    pub(crate) fn of_io(error: &io::Error, at: &str) -> Self {
        use StorageFaultKind as K;
        use io::ErrorKind as E;
        let kind = match error.kind() {
            E::StorageFull | E::QuotaExceeded | E::FileTooLarge => K::Full,
            E::NotFound => K::NoFolder,
            E::PermissionDenied | E::ReadOnlyFilesystem | E::NotADirectory => K::ReadOnly,
            _ => K::Other,
        };
        Self::new(kind, format_args!("{at}: {error}"))
    }

    /// Reads an error of the storage library.
    pub(crate) fn of(error: &object_store::Error) -> Self {
        chain(error)
            .find_map(|cause| {
                if let Some(io) = cause.downcast_ref::<io::Error>().filter(|io| is_of_a_disk(io)) {
                    return Some(Self::of_io(io, "the folder of objects"));
                }
                cause.downcast_ref::<HttpError>().map(of_connection)
            })
            .or_else(|| chain(error).find_map(|cause| of_answer(&cause.to_string())))
            .unwrap_or_else(|| Self::new(StorageFaultKind::Other, plain_words(error)))
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn is_of_a_disk(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(
        error.kind(),
        E::StorageFull
            | E::QuotaExceeded
            | E::FileTooLarge
            | E::NotFound
            | E::PermissionDenied
            | E::ReadOnlyFilesystem
            | E::NotADirectory
    )
}

fn of_connection(error: &HttpError) -> StorageFault {
    use StorageFaultKind as K;
    let told = |part: &str| chain(error).any(|cause| cause.to_string().to_ascii_lowercase().contains(part));
    let refused = chain(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|io| io.kind() == io::ErrorKind::ConnectionRefused);
    let (kind, reason) = match error.kind() {
        _ if refused => (K::Refused, "the storage service refused the connection"),
        _ if told("dns error") || told("lookup address") => {
            (K::UnknownHost, "the host name of the storage service cannot be resolved")
        }
        HttpErrorKind::Timeout => (K::TimedOut, "the storage service did not answer in time"),
        _ if told("certificate") || told("tls") || told("scheme is not http") => {
            (K::Tls, "no protected connection to the storage service")
        }
        HttpErrorKind::Connect => (K::Unreachable, "the storage service cannot be reached"),
        _ => (K::Unreachable, "the connection to the storage service broke"),
    };
    StorageFault::new(kind, reason)
}

/// Reads what S3 answered: `<Code>` in its XML, else the status.
fn of_answer(text: &str) -> Option<StorageFault> {
    use StorageFaultKind as K;
    if text.contains("incorrectly configured region") {
        return Some(StorageFault::new(K::WrongRegion, "the bucket is in another region"));
    }
    let Some(code) = element(text, "Code") else { return of_status(text) };
    let kind = match code {
        "InvalidAccessKeyId" | "InvalidAccessKey" | "InvalidClientTokenId" => K::UnknownKey,
        "SignatureDoesNotMatch" => K::WrongSecret,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "ExpiredToken" | "InvalidToken" => {
            K::Forbidden
        }
        "NoSuchBucket" => K::NoBucket,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "IncorrectEndpoint" => K::WrongRegion,
        "RequestTimeTooSkewed" | "RequestExpired" => K::ClockSkew,
        "SlowDown" | "ServiceUnavailable" | "InternalError" | "RequestTimeout" => K::Overloaded,
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => K::Full,
        _ => K::Other,
    };
    let there = element(text, "Region").filter(|_| kind == K::WrongRegion);
    let there = there.map(|region| format!("; it is in {region}")).unwrap_or_default();
    Some(StorageFault::new(kind, format_args!("{} ({code}){there}", words(kind))))
}

fn of_status(text: &str) -> Option<StorageFault> {
    use StorageFaultKind as K;
    let (_, rest) = text.split_once("status code: ")?;
    let status: u16 = rest.get(..3)?.parse().ok()?;
    let kind = match status {
        301 | 307 => K::WrongRegion,
        401 | 403 => K::Forbidden,
        404 => K::NoBucket,
        429 | 500..=599 => K::Overloaded,
        _ => K::Other,
    };
    Some(StorageFault::new(kind, format_args!("{} (HTTP {status})", words(kind))))
}

const fn words(kind: StorageFaultKind) -> &'static str {
    use StorageFaultKind as K;
    match kind {
        K::UnknownKey => "the storage service does not know the access key",
        K::WrongSecret => "the secret key does not belong to the access key",
        K::Forbidden => "the access key may not do this",
        K::NoBucket => "there is no such bucket",
        K::WrongRegion => "the bucket is in another region",
        K::ClockSkew => "this machine's clock differs too much from the storage service's",
        K::Overloaded => "the storage service is out of order or asks for fewer requests",
        K::Full => "the storage is full",
        _ => "the storage service refused the request",
    }
}

/// The text of an XML element, if it is one short word: a code, a region.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (word, _) = rest.split_once("</")?;
    let short = word.len() <= 64 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    short.then_some(word)
}

/// The kind of a library error that nothing above knows, without text from the service.
fn plain_words(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::NotFound { .. } => "an object is missing",
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "the storage service refused the credentials"
        }
        object_store::Error::InvalidPath { .. } => "a key cannot be used",
        _ => "the storage service answered with something unexpected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: String) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn each_answer_of_s3_names_its_cause_and_repeats_no_key() {
        use StorageFaultKind as K;
        for (status, code, kind) in [
            (403, "InvalidAccessKeyId", K::UnknownKey),
            (403, "SignatureDoesNotMatch", K::WrongSecret),
            (403, "AccessDenied", K::Forbidden),
            (404, "NoSuchBucket", K::NoBucket),
            (301, "PermanentRedirect", K::WrongRegion),
            (400, "AuthorizationHeaderMalformed", K::WrongRegion),
            (403, "RequestTimeTooSkewed", K::ClockSkew),
            (503, "SlowDown", K::Overloaded),
            (507, "XMinioStorageFull", K::Full),
            (400, "SomethingNew", K::Other),
        ] {
            let text = format!(
                "Server returned non-2xx status code: {status} X: <Error><Code>{code}</Code>\
                 <Region>eu-north-1</Region><AWSAccessKeyId>CANARY</AWSAccessKeyId></Error>"
            );
            let fault = StorageFault::of(&generic(text));
            assert_eq!(fault.kind(), kind, "{fault}");
            assert!(fault.to_string().contains(code), "{fault}");
            assert!(!format!("{fault:?}").contains("CANARY"), "{fault}");
            assert_eq!(fault.to_string().contains("eu-north-1"), kind == K::WrongRegion, "{fault}");
            assert!(fault.cure().len() > 20);
        }
        for (status, kind) in
            [(301, K::WrongRegion), (403, K::Forbidden), (404, K::NoBucket), (502, K::Overloaded)]
        {
            let fault = StorageFault::of(&generic(format!("returned non-2xx status code: {status} X: ")));
            assert_eq!(fault.kind(), kind, "{fault}");
        }
    }

    #[test]
    fn a_disk_says_whether_it_is_full_missing_or_read_only() {
        use StorageFaultKind as K;
        for (io, kind) in [
            (io::ErrorKind::StorageFull, K::Full),
            (io::ErrorKind::FileTooLarge, K::Full),
            (io::ErrorKind::PermissionDenied, K::ReadOnly),
            (io::ErrorKind::ReadOnlyFilesystem, K::ReadOnly),
            (io::ErrorKind::NotFound, K::NoFolder),
        ] {
            let error =
                object_store::Error::Generic { store: "LocalFileSystem", source: io::Error::from(io).into() };
            assert_eq!(StorageFault::of(&error).kind(), kind);
        }
    }
}
