//! Choices that a word makes: the same one in the file, in messages and in what fingerprints are of, whatever the
//! choice is called in the program.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $choice:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$of])* $choice,)* }

        impl $name {
            /// Every choice behind its word.
            pub const WORDS: &'static [(&'static str, $name)] =
                &[$(($word, $name::$choice),)*];

            /// The word that makes this choice.
            pub const fn word(self) -> &'static str {
                match self { $($name::$choice => $word,)* }
            }
        }
    };
}

words! {
    /// What is done with an outlier.
    OutlierMode {
        /// It is not looked for.
        Off = "off",
        /// Admitted and counted.
        Flag = "flag",
        /// Refused.
        Refuse = "refuse",
    }
}

words! {
    /// Order of the records of a file.
    Order {
        /// By time but for stragglers.
        Time = "time",
        /// A recorded order of arrival.
        Log = "log",
        /// None: sorted by time first.
        Any = "any",
    }
}

words! {
    /// How files become logs.
    PartitionMode {
        /// Each file one.
        File = "file",
        /// All in one, in order of time.
        Sequence = "sequence",
    }
}
