//! The shape of `cluster.toml`, written once: every section is a raw structure for serde and, beside
//! it, the description that the walker, the documentation and `tidemill init` are made from.

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text in quotes.
    Text,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A whole number.
    Integer,
    /// A number with or without a point.
    Number,
    /// `true` or `false`.
    Switch,
    /// Text: a whole number and a unit.
    Duration,
    /// A list of texts.
    Texts,
    /// Names and texts that are not this program's to know.
    Map,
    /// One section.
    Table(&'static Section),
    /// Sections, as `[[bars]]`; the second value says whether one with the defaults stands in for none.
    Tables(&'static Section, bool),
}

impl Kind {
    /// The kind's name in messages and in the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Choice(_) => "word",
            Kind::Integer => "whole number",
            Kind::Number => "number",
            Kind::Switch => "true or false",
            Kind::Duration => "duration",
            Kind::Texts => "list of texts",
            Kind::Map => "table of texts",
            Kind::Table(_) => "table",
            Kind::Tables(..) => "list of tables",
        }
    }
}

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its default as TOML; empty: none, and the key may be absent.
    pub default: &'static str,
    /// What is allowed.
    pub rule: &'static str,
    /// The flag that overrides it; empty: none.
    pub flag: &'static str,
    /// What it is for.
    pub doc: &'static str,
}

/// A table of the file.
#[derive(Debug)]
pub struct Section {
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in order.
    pub keys: &'static [Key],
    /// Keys of the contract that later work brings.
    pub later: &'static [&'static str],
}

/// Defines a raw structure and the description of its section side by side.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident, later: [$($later:literal),*]
        $(
            $(#[doc = $doc:literal])*
            $key:ident $(as $label:literal)?: $type:ty, $kind:expr, default $default:literal, rule $rule:literal, flag $flag:literal;
        )*
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])* $(#[serde(rename = $label)])? pub $key: $type,)*
        }

        impl $name {
            /// The section's description.
            pub const SECTION: &'static $crate::config::schema::Section =
                &$crate::config::schema::Section {
                    doc: concat!($($about),*),
                    keys: &[$($crate::config::schema::Key {
                        name: $crate::config::schema::label(&[stringify!($key) $(, $label)?]),
                        kind: $kind,
                        default: $default,
                        rule: $rule,
                        flag: $flag,
                        doc: concat!($($doc),*),
                    },)*],
                    later: &[$($later),*],
                };
        }
    };
}
pub(crate) use section;

/// The last of a field's names: the one in the file.
pub const fn label(names: &[&'static str]) -> &'static str {
    names[names.len() - 1]
}
