//! The form of a setting: declared once with its name, type, default, environment variable, check, example and
//! documentation. What is declared is in [`super::settings`] and [`super::identity_provider`].
//!
//! From the declarations come the structs that the server reads, `skaas.default.toml`, the checks, the names in
//! error messages, and what `skaas-server config` prints. A value is printed through [`Shown`], so a setting whose
//! type is a secret cannot be printed at all.

use std::{net::SocketAddr, path::Path, path::PathBuf};

use skaas_app::outbound::{ExposeSecret as _, SecretString};

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// The TOML table that holds it; empty for the top level.
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// The environment variable that sets it. With `_FILE` added, the variable names a file with the value.
    pub(super) variable: &'static str,
    /// As TOML.
    pub(super) default: &'static str,
    /// A good value, for error messages; empty if the default is one.
    example: &'static str,
    /// Lines, each with the space that follows `///`.
    pub(super) doc: &'static [&'static str],
}

impl Key {
    pub(super) const fn new(
        section: &'static str,
        name: &'static str,
        variable: &'static str,
        default: &'static str,
        example: &'static str,
        doc: &'static [&'static str],
    ) -> Self {
        Self { section, name, variable, default, example, doc }
    }

    /// The name with its table, as in `limits.push_mib`.
    pub(super) fn path(&self) -> String {
        path(self.section, self.name)
    }

    /// A line that sets it, for error messages.
    pub(super) fn example(&self) -> String {
        match self.example {
            "" => format!("{}={}", self.variable, self.default.trim_matches('"')),
            text => text.to_owned(),
        }
    }
}

/// The name of a setting with its table.
pub(super) fn path(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// A value as TOML, fit for every eye.
pub(super) trait Shown {
    fn shown(&self) -> String;
}

impl Shown for SecretString {
    fn shown(&self) -> String {
        let is_empty = self.expose_secret().is_empty();
        if is_empty { "\"\"" } else { "\"[redacted]\"" }.to_owned()
    }
}

impl Shown for Path {
    fn shown(&self) -> String {
        format!("{:?}", self.display().to_string())
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.as_path().shown()
    }
}

impl Shown for SocketAddr {
    fn shown(&self) -> String {
        format!("\"{self}\"")
    }
}

macro_rules! shown_as_debug {
    ($($type:ty),*) => {$(
        impl Shown for $type {
            fn shown(&self) -> String {
                format!("{self:?}")
            }
        }
    )*};
}
shown_as_debug!(String, Vec<String>, bool, u32, u64);

/// Declares a table of settings, each as
/// `/// documentation` `name: type = default, "VARIABLE", check;`, with an example after the check where the default
/// is none. The braces at the end are for what is not a setting: the tables within the top level.
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        $section:literal $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $key:ident: $type:ty = $default:literal, $variable:literal, $check:expr $(, $example:literal)?;
            )*
        }
        $({ $($(#[$meta:meta])* $nested:ident: $inner:ty,)* })?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[doc = $doc])* pub(crate) $key: $type,)*
            $($($(#[$meta])* pub(crate) $nested: $inner,)*)?
        }

        impl $name {
            /// Every setting of this table.
            pub(super) const KEYS: &'static [$crate::config::declaration::Key] = &[$(
                $crate::config::declaration::Key::new(
                    $section,
                    stringify!($key),
                    $variable,
                    stringify!($default),
                    concat!("", $($example)?),
                    &[$($doc),*],
                ),
            )*];

            /// Checks each setting on its own.
            pub(super) fn check_keys(&self) -> Result<(), $crate::config::InvalidSettings> {
                $(
                    ($check)(&self.$key).map_err(|reason: String| {
                        $crate::config::wrong(&$crate::config::declaration::path($section, stringify!($key)), &reason)
                    })?;
                )*
                Ok(())
            }

            /// Every value as TOML, in the order of [`Self::KEYS`].
            pub(super) fn shown(&self) -> Vec<String> {
                vec![$($crate::config::declaration::Shown::shown(&self.$key)),*]
            }
        }
    };
}
pub(super) use settings;
